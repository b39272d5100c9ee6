package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3tables"
	"github.com/aws/aws-sdk-go-v2/service/s3tables/types"

	"lakeport/internal/iam"
)

// everyTable ends the ARN of a table of a bucket whose id is not told.
const everyTable = "/table/*"

// table gives a request on a table of a table bucket with the table's own ARN,
// which has an id that AWS gave it. A table that is not there keeps the star.
func (e *Exam) table(ctx context.Context, r iam.Request, region string) iam.Request {
	bucket, found := strings.CutSuffix(r.Resource.ARN, everyTable)
	space, name := r.Context["s3tables:namespace"], r.Context["s3tables:tablename"]
	if !found || len(space) != 1 || len(name) != 1 {
		return r
	}
	key := [3]string{bucket, space[0], name[0]}
	arn, known := e.tables[key]
	if reader, can := e.readers[accountOf(bucket)]; can && !known {
		reader.Region = region
		out, err := s3tables.NewFromConfig(e.o.Resolver.Config(reader, "s3tables")).GetTable(ctx, &s3tables.GetTableInput{TableBucketARN: &bucket, Namespace: &space[0], Name: &name[0]})
		if _, absent := errors.AsType[*types.NotFoundException](err); err == nil {
			arn = aws.ToString(out.TableARN)
		} else if !absent { // which table it is decides
			e.guards[r.Resource.ARN] = &guard{owner: accountOf(bucket), unread: e.told(ctx, err, reader, "s3tables:GetTable")}
		}
		e.tables[key] = arn
	}
	if arn != "" {
		r.Resource.ARN = arn
	}
	return r
}

// tablePolicy is what guards a table bucket or a table in it: the bucket's
// policy, and the table's own ("Resource-based policies for S3 Tables").
func (e *Exam) tablePolicy(ctx context.Context, r *iam.Request) *guard {
	arn := r.Resource.ARN
	if g := e.guards[arn]; g != nil {
		return g
	}
	g := &guard{owner: accountOf(arn)}
	e.guards[arn] = g
	reader, why := e.reader(g.owner)
	if why != "" {
		g.unread = why
		return g
	}
	bucket, id, _ := strings.Cut(arn, "/table/")
	reader.Region = strings.SplitN(arn, ":", 6)[3]
	api := s3tables.NewFromConfig(e.o.Resolver.Config(reader, "s3tables"))
	var texts []string
	out, err := api.GetTableBucketPolicy(ctx, &s3tables.GetTableBucketPolicyInput{TableBucketARN: &bucket})
	if _, none := errors.AsType[*types.NotFoundException](err); err != nil && !none {
		g.unread = e.told(ctx, err, reader, "s3tables:GetTableBucketPolicy")
		return g
	} else if err == nil {
		texts = append(texts, aws.ToString(out.ResourcePolicy))
	}
	space, name := r.Context["s3tables:namespace"], r.Context["s3tables:tablename"]
	if id != "" && id != "*" && len(space) == 1 && len(name) == 1 {
		out, err := api.GetTablePolicy(ctx, &s3tables.GetTablePolicyInput{TableBucketARN: &bucket, Namespace: &space[0], Name: &name[0]})
		if _, none := errors.AsType[*types.NotFoundException](err); err != nil && !none {
			g.unread = e.told(ctx, err, reader, "s3tables:GetTablePolicy")
			return g
		} else if err == nil {
			texts = append(texts, aws.ToString(out.ResourcePolicy))
		}
	}
	for _, text := range texts {
		before := g.policy
		if g.take(bucket, []byte(text)); before != nil && g.policy != nil && g.unread == "" {
			g.policy.Document.Statements = slices.Concat(before.Document.Statements, g.policy.Document.Statements)
		}
	}
	return g
}
