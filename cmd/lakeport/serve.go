package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// drain is how long a stop waits for statements under way, unless --drain
// says it.
const drain = 20 * time.Second

func serveCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve SQL, and with --sandbox an AWS beside it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := start(cmd.Context(), o)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), s.ready())
			<-cmd.Context().Done()
			ctx, cancel := context.WithTimeout(context.Background(), o.drain)
			defer cancel()
			return s.shutdown(ctx)
		},
	}
	o.flags(cmd, "lakeport-data")
	return cmd
}

// options are the flags of serve; demo has the same.
type options struct {
	data, mysql, pg, http, aws string
	sandbox                    bool
	world                      string
	resetWorld                 bool
	drain                      time.Duration
	doctor                     []string
	roles                      string // --cluster-credentials
	memory                     string
}

func (o *options) flags(cmd *cobra.Command, data string) {
	f := cmd.Flags()
	f.StringVar(&o.data, "data", data, "directory of catalogs, internal tables and caches")
	f.StringVar(&o.mysql, "mysql", "127.0.0.1:9030", "address of the MySQL protocol; port 0 picks a free one")
	f.StringVar(&o.pg, "pg", "", "address of the PostgreSQL protocol; empty: it is not served")
	f.StringVar(&o.http, "http", "", "address of the console (accepted; the port does not exist yet)")
	f.StringVar(&o.aws, "aws", "127.0.0.1:4566", "address of the AWS sandbox")
	f.BoolVar(&o.sandbox, "sandbox", false, "start the AWS sandbox and use it for every AWS call")
	f.StringVar(&o.world, "world", "", "world file of the sandbox, read where the data directory holds no world yet")
	f.StringVar(&o.roles, "cluster-credentials", "", "URL that hands out sessions of the roles attached to the Redshift cluster that lakeport stands for; a path is the sandbox's, where /<region>/<account>/cluster/lakeport is the default")
	f.StringVar(&o.memory, "memory", os.Getenv("LAKEPORT_MEMORY"), "most memory that the engine uses, such as 4GB, also LAKEPORT_MEMORY; empty: 80 % of the machine's")
	f.DurationVar(&o.drain, "drain", drain, "how long a stop waits for statements under way before it cancels them")
	f.StringSliceVar(&o.doctor, "doctor-profile", doctorProfiles(), "AWS profiles as which EXPLAIN ACCESS reads policies, one for each account, also LAKEPORT_DOCTOR_PROFILE; empty: the server's own identity")
	f.BoolVar(&o.resetWorld, "reset-world", false, "forget the sandbox's identities and read --world again")
}

// doctorProfiles reads the environment's default of --doctor-profile.
func doctorProfiles() []string {
	return strings.FieldsFunc(os.Getenv("LAKEPORT_DOCTOR_PROFILE"), func(r rune) bool { return r == ',' || r == ' ' })
}

// worldFile opens --world, nil if it is not given.
func (o *options) worldFile() (*os.File, error) {
	if o.world == "" {
		return nil, nil
	}
	f, err := os.Open(o.world)
	if err != nil {
		return nil, fmt.Errorf("open the world file: %w", err)
	}
	return f, nil
}
