package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"lakeport/internal/iam"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Judge IAM policy documents"}
	cmd.AddCommand(policyCheckCommand())
	return cmd
}

// policyKinds are what --kind takes.
var policyKinds = map[string]iam.PolicyKind{"identity": iam.IdentityPolicy, "trust": iam.TrustPolicy, "resource": iam.ResourcePolicy}

func policyCheckCommand() *cobra.Command {
	kind := "identity"
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Report every fault of a policy document, and print it repaired",
		Long: "Reports every fault of a policy document with line and column, and prints the document\n" +
			"repaired where that is possible. Faults and notes go to standard error, the document to\n" +
			"standard output. FILE may be - for standard input.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, ok := policyKinds[kind]
			if !ok {
				return fmt.Errorf("--kind %s: write identity, trust or resource", kind)
			}
			text, err := readDocument(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			return checkPolicy(cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0], text, k)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", kind, "what the policy is attached to: identity, trust or resource")
	return cmd
}

func readDocument(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(stdin, iam.MaxDocument+1))
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	return text, nil
}

// checkPolicy reports on one document; the error counts its faults.
func checkPolicy(out, report io.Writer, name string, text []byte, kind iam.PolicyKind) error {
	if len(text) > iam.MaxDocument {
		return fmt.Errorf("%s is longer than the %d bytes that IAM takes", name, iam.MaxDocument)
	}
	broken, mended := iam.Repair(text)
	for _, f := range broken {
		fmt.Fprintf(report, "%s:%d:%d: %s: %s\n", name, f.Line, f.Column, f.Msg, f.Hint)
	}
	if mended == nil {
		return fmt.Errorf("%s is no policy document, and cannot be repaired with certainty: mend the last fault and check again", name)
	}
	where, checked := name, text
	if len(broken) > 0 {
		where, checked = name+" repaired", mended
		if _, err := out.Write(mended); err != nil {
			return err
		}
	}
	doc, faults := iam.Check(checked, kind)
	for _, f := range faults {
		fmt.Fprintf(report, "%s:%d:%d: %s: %s\n", where, f.Line, f.Column, f.Message, f.Detail)
	}
	if doc != nil {
		for _, note := range doc.Lacks() {
			fmt.Fprintf(report, "note: %s\n", note)
		}
	}
	switch n := len(broken) + len(faults); n {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s has 1 fault", name)
	default:
		return fmt.Errorf("%s has %d faults", name, n)
	}
}
