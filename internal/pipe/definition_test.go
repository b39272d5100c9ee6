package pipe

import (
	"strings"
	"testing"

	"lakeport/internal/sqlerr"
	"lakeport/internal/syntax"
)

func define(t *testing.T, text string) (*Definition, error) {
	t.Helper()
	st, err := syntax.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return Define(st.(*syntax.CreatePipe), "lake", text)
}

// A pipe tells all its settings, with the defaults of ClickPipes, and no
// secret; what it tells makes such a pipe again.
func TestAPipeTellsTheStatementThatMakesIt(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{`CREATE PIPE p FROM MYSQL PROPERTIES ("host" = "h", "user" = "u", "password" = "x", "database" = "shop") TABLES (orders)`,
			"CREATE PIPE `p` FROM MYSQL PROPERTIES (\"database\" = \"shop\", \"host\" = \"h\", \"password\" = \"******\", \"user\" = \"u\") TABLES (`shop`.`orders` AS `lake`.`orders`) MODE INITIAL_LOAD_AND_CDC" +
				` SETTINGS ("pull_batch_size" = "100000", "snapshot_parallelism" = "4", "snapshot_rows_per_partition" = "100000", "snapshot_tables_in_parallel" = "1", "sync_interval" = "60")`},
		{`CREATE PIPE p FROM MARIADB PROPERTIES ("host" = "h", "user" = "u", "password" = "x") TABLES (shop.orders AS db.o EXCLUDE (a, b) KEY (id)) MODE CDC SETTINGS (sync_interval = 5, pull_batch_size = 7)`,
			"CREATE PIPE `p` FROM MARIADB PROPERTIES (\"host\" = \"h\", \"password\" = \"******\", \"user\" = \"u\") TABLES (`shop`.`orders` AS `db`.`o` EXCLUDE (`a`, `b`) KEY (`id`)) MODE CDC" +
				` SETTINGS ("pull_batch_size" = "7", "snapshot_parallelism" = "4", "snapshot_rows_per_partition" = "100000", "snapshot_tables_in_parallel" = "1", "sync_interval" = "5")`},
	} {
		d, err := define(t, c.given)
		if err != nil {
			t.Fatalf("%s: %v", c.given, err)
		}
		got := d.Statement()
		if got != c.want {
			t.Errorf("%s\ntells  %s\nwant   %s", c.given, got, c.want)
		}
		again, err := define(t, got)
		if err != nil || again.Statement() != got {
			t.Errorf("%s\nmakes %v, %v", got, again, err)
		}
	}
}

func TestFaultsOfAPipeAreToldAtOnce(t *testing.T) {
	const properties, iam = `"host" = "h", "user" = "u", "password" = "x"`, `"host" = "h", "user" = "u", "authentication" = "iam", "aws.rds.region" = "us-west-2"`
	for _, c := range []struct{ properties, settings, want string }{
		{properties, `sync_interval = 0`, `setting "sync_interval" is "0": write a number from 1 to 86400`},
		{properties, `sync_interval = 1, sync_interval = 2`, `setting "sync_interval" is given twice`},
		{properties, `pull_batch_sise = 1`, `setting "pull_batch_sise" is not known: did you mean pull_batch_size?`},
		{properties, `max_batch_size = 1`, `setting "max_batch_size" is pull_batch_size here`},
		{properties, `initial_copy_only = true`, `setting "initial_copy_only" is MODE here`},
		{properties, `soft_delete_col_name = 'gone'`, `setting "soft_delete_col_name" is not supported: what the source deletes is deleted`},
		{properties, `replication_slot_name = 'slot'`, `setting "replication_slot_name" has a use only where changes of PostgreSQL are followed`},
		{`"host" = "h", "port" = "70000"`, ``, `property "password" is needed, or "authentication" = "iam"; property "port" is "70000": a port is a number from 1 to 65535; property "user" is needed`},
		{`"host" = "h", "user" = "u", "authentication" = "kerberos"`, ``, `property "authentication" is "kerberos": write "iam" or "password"`},
		{`"host" = "h", "user" = "u", "authentication" = "iam"`, ``, `property "aws.rds.region" is needed: the host h does not tell it`},
		{properties + `, "aws.rds.region" = "us-west-2"`, ``, `property "aws.rds.region" has no use without "authentication" = "iam"`},
		{iam + `, "aws.rds.resource_id" = "shop-db"`, ``, `property "aws.rds.resource_id" is "shop-db": a resource id begins with db-, cluster- or prx-`},
		{iam + `, "aws.rds.resource_id" = "cluster-ABCDEFGHIJKL01234"`, ``, ``},
		{strings.Replace(iam, `"h"`, `"shop.cluster-ro-c1x2.us-west-2.rds.amazonaws.com"`, 1) + `, "aws.rds.resource_id" = "db-ABCDEFGHIJKL01234"`, ``, `the host is a cluster's endpoint: policies name the cluster's resource id`},
	} {
		text := "CREATE PIPE p FROM MARIADB PROPERTIES (" + c.properties + ") TABLES (shop.orders)"
		if c.settings != "" {
			text += " SETTINGS (" + c.settings + ")"
		}
		_, err := define(t, text)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(sqlerr.From(err).Error(), c.want)) {
			t.Errorf("%s\nis answered %v, want %s", text, err, c.want)
		}
	}
}
