package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	hms "github.com/beltran/gohive/hive_metastore"
)

// A world is the state of AWS that a case starts from, a line for each thing,
// made by signed calls as the root of the account that an `in` line names:
//
//	in 081976408565
//	role NAME trusts PRINCIPAL          an ARN, or service:ec2.amazonaws.com
//	profile ROLE                        an instance profile of the role's name
//	user NAME                           with an access key
//	allow KIND/NAME ACTION… RESOURCE…   one permission; resources start with arn: or are *
//	policy KIND/NAME SECTION            a printed policy of the same file
//	trust role/NAME SECTION             a printed trust policy
//	bucket NAME [REGION]
//	object s3://BUCKET/KEY QUERY        the query's rows as Parquet
//	object s3://BUCKET/KEY < FILE       a file of testdata/conformance
//	database NAME
//	table DB.NAME LOCATION COLUMNS [by KEY]
//	partition DB.NAME VALUE LOCATION
//	hive database|table|partition …     the same in a Hive Metastore, ${metastore}
//	table-bucket NAME                   integrated with Glue and Lake Formation
//	external-engines                    may use Lake Formation's credentials
//	grant PERMISSION BUCKET KIND/NAME   of Lake Formation, on the bucket's catalog
//	cluster NAME                        of Redshift
//	attach CLUSTER ROLE-ARN
//	kms NAME                            a key that no IAM policy opens; its ARN is ${kms NAME}
//	delegate NAME                       lets IAM policies of its account open it
//	encrypted BUCKET NAME               the bucket's default encryption by a key
//	rds ENGINE NAME                     a database instance: ${rds id}, ${rds host}, ${rds port}, ${rds ca}
//	iam-authentication NAME             its switch, turned on
//
// A line that a following `! MESSAGE` belongs to is a lock: without it the
// case fails with that message, where * stands for any part of a word.
type worldLine struct {
	account string
	verb    string
	args    string
	lock    string // what the case says without this line; empty: no lock
}

func parseWorld(text string) ([]worldLine, error) {
	var lines []worldLine
	account := home
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		verb, args, _ := strings.Cut(line, " ")
		switch verb {
		case "", "#":
		case "in":
			account = args
		case "!":
			if len(lines) == 0 {
				return nil, fmt.Errorf("line %d: a lock without its line", n+1)
			}
			lines[len(lines)-1].lock = args
		default:
			lines = append(lines, worldLine{account: account, verb: verb, args: args})
		}
	}
	return lines, nil
}

// world makes the lines' state. What it learns while doing so, as the keys of
// users, stands in values.
type world struct {
	*lab
	ctx      context.Context
	sections map[string]string             // of the case: printed policies
	values   map[string]string             // "key alice", "secret alice"
	policies map[string][]string           // statements of the inline policy by account and principal
	columns  map[string][]gluetypes.Column // by table
	regions  map[string]string             // by bucket
	hms      *hms.ThriftHiveMetastoreClient
	storage  map[string]*hms.StorageDescriptor // by table of the Hive Metastore
	source   *sourceDB                         // of RDS
}

func (l *lab) makeWorld(lines []worldLine, sections map[string]string) *world {
	l.t.Helper()
	w := &world{lab: l, ctx: context.Background(), sections: sections, values: map[string]string{}, policies: map[string][]string{}, columns: map[string][]gluetypes.Column{}, storage: map[string]*hms.StorageDescriptor{}, regions: map[string]string{}}
	for _, line := range lines {
		step, ok := worldVerbs[line.verb]
		if !ok {
			l.t.Fatalf("world: no such verb: %s %s", line.verb, line.args)
		}
		step(w, line.account, line.args)
	}
	return w
}

var worldVerbs = map[string]func(w *world, account, args string){
	"role": (*world).role, "profile": (*world).profile, "user": (*world).user, "allow": (*world).allow, "policy": (*world).policy, "trust": (*world).trustPolicy,
	"bucket": (*world).bucket, "object": (*world).object, "database": (*world).database, "table": (*world).table, "partition": (*world).partition, "hive": (*world).hive,
	"table-bucket": (*world).tableBucket, "external-engines": (*world).externalEngines, "grant": (*world).grant,
	"cluster": (*world).cluster, "attach": (*world).attachRole, "kms": (*world).key, "delegate": (*world).delegate, "encrypted": (*world).encrypted,
	"rds": (*world).rdsInstance, "iam-authentication": (*world).iamAuthentication,
}

func (w *world) iam(account string) *iam.Client { return iam.NewFromConfig(w.as(rootKeys[account])) }

func (w *world) role(account, args string) {
	name, principal, _ := strings.Cut(args, " trusts ")
	kind := "AWS"
	if service, ok := strings.CutPrefix(principal, "service:"); ok {
		kind, principal = "Service", service
	} else if principal == "nobody" {
		principal = "arn:aws:iam::" + partner + ":root"
	}
	w.makeRole(account, name, document(fmt.Sprintf(`{"Effect": "Allow", "Principal": {%q: %q}, "Action": "sts:AssumeRole"}`, kind, principal)), nil)
}

func (w *world) profile(account, name string) {
	w.must(w.iam(account).CreateInstanceProfile(w.ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &name}))
	w.must(w.iam(account).AddRoleToInstanceProfile(w.ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &name}))
}

func (w *world) user(account, name string) {
	w.must(w.iam(account).CreateUser(w.ctx, &iam.CreateUserInput{UserName: &name}))
	out, err := w.iam(account).CreateAccessKey(w.ctx, &iam.CreateAccessKeyInput{UserName: &name})
	w.must(out, err)
	w.values["key "+name], w.values["secret "+name] = *out.AccessKey.AccessKeyId, *out.AccessKey.SecretAccessKey
}

// allow adds one statement to the principal's inline policy.
func (w *world) allow(account, args string) {
	who, rest, _ := strings.Cut(args, " ")
	var actions, resources []string
	for f := range strings.FieldsSeq(rest) {
		if f == "*" || strings.HasPrefix(f, "arn:") {
			resources = append(resources, f)
		} else {
			actions = append(actions, f)
		}
	}
	id := account + " " + who
	w.policies[id] = append(w.policies[id], allow(strings.Join(actions, " "), strings.Join(resources, " ")))
	w.attach(account, who, "allowed", document(w.policies[id]...))
}

// policy attaches a printed document, its placeholders filled.
func (w *world) policy(account, args string) {
	who, section, _ := strings.Cut(args, " ")
	w.attach(account, who, section, aws.String(w.fill(w.sections[section])))
}

func (w *world) trustPolicy(account, args string) {
	who, section, _ := strings.Cut(args, " ")
	w.trust(account, strings.TrimPrefix(who, "role/"), aws.String(w.fill(w.sections[section])))
}

func (w *world) attach(account, who, name string, doc *string) {
	w.t.Helper()
	switch kind, principal, _ := strings.Cut(who, "/"); kind {
	case "role":
		w.rolePolicy(account, principal, name, doc)
	case "user":
		w.must(w.iam(account).PutUserPolicy(w.ctx, &iam.PutUserPolicyInput{UserName: &principal, PolicyName: &name, PolicyDocument: doc}))
	default:
		w.t.Fatalf("world: neither role nor user: %s", who)
	}
}

func (w *world) bucket(account, args string) {
	name, where, _ := strings.Cut(args, " ")
	in := &s3.CreateBucketInput{Bucket: &name}
	if where == "" {
		where = region
	}
	c := w.as(rootKeys[account])
	c.Region, w.regions[name] = where, where
	if where != "us-east-1" {
		in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(where)}
	}
	w.must(s3.NewFromConfig(c).CreateBucket(w.ctx, in))
}

func (w *world) object(account, args string) {
	uri, content, _ := strings.Cut(args, " ")
	bucket, key, _ := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	var body []byte
	if file, ok := strings.CutPrefix(content, "< "); ok {
		text, err := os.ReadFile(filepath.Join("testdata", "conformance", file))
		w.must(nil, err)
		body = text
	} else {
		body = w.parquet(content)
	}
	c := w.as(rootKeys[account])
	c.Region = w.regions[bucket]
	w.must(s3.NewFromConfig(c).PutObject(w.ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)}))
}

func (w *world) glue(account string) *glue.Client { return glue.NewFromConfig(w.as(rootKeys[account])) }

func (w *world) database(account, name string) {
	w.must(w.glue(account).CreateDatabase(w.ctx, &glue.CreateDatabaseInput{DatabaseInput: &gluetypes.DatabaseInput{Name: &name}}))
}

func (w *world) table(account, args string) {
	name, rest, _ := strings.Cut(args, " ")
	location, columns, _ := strings.Cut(rest, " ")
	columns, key, partitioned := strings.Cut(columns, " by ")
	db, table, _ := strings.Cut(name, ".")
	list := strings.Split(columns, ", ")
	w.columns[name] = hiveColumns(list)
	in := &gluetypes.TableInput{Name: &table, TableType: aws.String("EXTERNAL_TABLE"), StorageDescriptor: parquetStorage(list, location)}
	if partitioned {
		in.PartitionKeys = hiveColumns([]string{key})
	}
	w.must(w.glue(account).CreateTable(w.ctx, &glue.CreateTableInput{DatabaseName: &db, TableInput: in}))
}

func (w *world) partition(account, args string) {
	f := strings.Fields(args)
	db, table, _ := strings.Cut(f[0], ".")
	storage := parquetStorage(nil, f[2])
	storage.Columns = w.columns[f[0]]
	w.must(w.glue(account).CreatePartition(w.ctx, &glue.CreatePartitionInput{DatabaseName: &db, TableName: &table,
		PartitionInput: &gluetypes.PartitionInput{Values: []string{f[1]}, StorageDescriptor: storage}}))
}

// hive writes into a Hive Metastore, which has no accounts.
func (w *world) hive(_, args string) {
	if w.hms == nil {
		w.values["metastore"], w.hms = hiveMetastore(w.t)
	}
	kind, args, _ := strings.Cut(args, " ")
	name, rest, _ := strings.Cut(args, " ")
	db, table, _ := strings.Cut(name, ".")
	switch kind {
	case "database":
		w.must(nil, w.hms.CreateDatabase(w.ctx, &hms.Database{Name: name, LocationUri: "s3a://warehouse/" + name}))
	case "table":
		location, columns, _ := strings.Cut(rest, " ")
		columns, key, _ := strings.Cut(columns, " by ")
		t := hiveTable(name, "parquet", location, columns, key)
		w.storage[name] = t.Sd
		w.must(nil, w.hms.CreateTable(w.ctx, t))
	case "partition":
		value, location, _ := strings.Cut(rest, " ")
		sd := *w.storage[name]
		sd.Location = location
		w.must(w.hms.AddPartition(w.ctx, &hms.Partition{DbName: db, TableName: table, Values: []string{value}, Sd: &sd}))
	default:
		w.t.Fatalf("world: no such kind: hive %s", kind)
	}
}

func (w *world) cluster(account, name string) {
	w.redshift(account, url.Values{"Action": {"CreateCluster"}, "ClusterIdentifier": {name}, "NodeType": {"ra3.xlplus"}, "ClusterType": {"single-node"},
		"MasterUsername": {"admin"}, "MasterUserPassword": {"Secret99word"}})
}

func (w *world) attachRole(account, args string) {
	name, arn, _ := strings.Cut(args, " ")
	w.redshift(account, url.Values{"Action": {"ModifyClusterIamRoles"}, "ClusterIdentifier": {name}, "AddIamRoles.IamRoleArn.1": {arn}})
}

// redshift calls the service in its form-encoded protocol.
func (w *world) redshift(account string, form url.Values) {
	w.t.Helper()
	form.Set("Version", "2012-12-01")
	if status, text := w.lab.form(account, "redshift", form); status != http.StatusOK {
		w.t.Fatalf("world: %s: HTTP %d: %s", form.Get("Action"), status, text)
	}
}

func (w *world) kms(account string) *kms.Client { return kms.NewFromConfig(w.as(rootKeys[account])) }

// key makes a key that its account's root administers, and nobody else uses.
func (w *world) key(account, name string) {
	admin := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%[1]s:root"}, "Action": "kms:*", "Resource": "*",
		"Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::%[1]s:root"}}}]}`, account)
	out, err := w.kms(account).CreateKey(w.ctx, &kms.CreateKeyInput{Policy: &admin})
	w.must(out, err)
	w.values["kms "+name] = *out.KeyMetadata.Arn
}

func (w *world) delegate(account, name string) {
	all := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%s:root"}, "Action": "kms:*", "Resource": "*"}]}`, account)
	w.must(w.kms(account).PutKeyPolicy(w.ctx, &kms.PutKeyPolicyInput{KeyId: aws.String(w.values["kms "+name]), Policy: &all}))
}

func (w *world) encrypted(account, args string) {
	bucket, key, _ := strings.Cut(args, " ")
	w.must(s3.NewFromConfig(w.as(rootKeys[account])).PutBucketEncryption(w.ctx, &s3.PutBucketEncryptionInput{Bucket: &bucket,
		ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{Rules: []s3types.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String(w.values["kms "+key])}}}}}))
}

// fill puts the case's values for the placeholders of a printed text.
func (w *world) fill(text string) string {
	for line := range strings.Lines(w.sections["values"]) {
		printed, value, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if !ok {
			continue
		}
		for name, known := range w.values {
			value = strings.ReplaceAll(value, "${"+name+"}", known)
		}
		text = strings.ReplaceAll(text, printed, value)
	}
	return text
}
