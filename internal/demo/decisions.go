package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// decisions reads the sandbox's decision log.
type decisions struct {
	aws aws.Config
}

// decision is what the demo tells of an entry.
type decision struct {
	Action    string `json:"action"`
	Principal string `json:"principal"`
	Decision  string `json:"decision"`
	Bytes     int64  `json:"bytes"`
}

func (d *decisions) get(ctx context.Context, query string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, *d.aws.BaseEndpoint+"/_lakeport/decisions?"+query, nil)
	if err != nil {
		return err
	}
	resp, err := send(ctx, d.aws, "lakeport", req, "")
	if err != nil {
		return fmt.Errorf("read the decision log: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("read the decision log: HTTP %d: %s", resp.StatusCode, text)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// last is the newest entry's number.
func (d *decisions) last(ctx context.Context) (int64, error) {
	var out struct{ Last int64 }
	return out.Last, d.get(ctx, "limit=0", &out)
}

// signed is one principal's calls of one action.
type signed struct {
	principal, action string
	calls             int
	bytes             int64
}

// signers counts the calls after an entry by who signed them.
func (d *decisions) signers(ctx context.Context, since int64) ([]signed, error) {
	var out struct{ Decisions []decision }
	if err := d.get(ctx, fmt.Sprint("since=", since), &out); err != nil {
		return nil, err
	}
	count := map[[2]string]*signed{}
	for _, e := range out.Decisions {
		if e.Action == "" || strings.HasPrefix(e.Action, "lakeport:") {
			continue
		}
		key := [2]string{e.Principal, e.Action}
		if count[key] == nil {
			count[key] = &signed{principal: shortPrincipal(e.Principal), action: e.Action}
		}
		count[key].calls++
		count[key].bytes += e.Bytes
	}
	list := make([]signed, 0, len(count))
	for _, s := range count {
		list = append(list, *s)
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].principal != list[j].principal {
			return list[i].principal < list[j].principal
		}
		return list[i].action < list[j].action
	})
	return list, nil
}

// shortPrincipal is the part of an ARN that tells one caller from another.
func shortPrincipal(arn string) string {
	return strings.Replace(arn[strings.LastIndex(arn, ":")+1:], "assumed-role/", "role ", 1)
}
