package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lakeport/internal/demo"
	"lakeport/internal/parts"
	"lakeport/internal/sandbox/rds"
)

func demoCommand() *cobra.Command {
	o := options{}
	exit := false
	cmd := &cobra.Command{
		Use:   "demo [starrocks|redshift|s3tables|pipes|all]",
		Short: "Tell a chapter on an empty directory, offline, and stay up",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			chapter := "starrocks"
			if len(args) > 0 {
				chapter = args[0]
			}
			chapters, err := demo.Chapters(chapter)
			if err != nil {
				return err
			}
			if err = runDemo(cmd, chapters, o, exit); cmd.Context().Err() != nil {
				return nil // Ctrl-C is how a demo ends
			}
			return err
		},
	}
	o.flags(cmd, "")
	cmd.Flags().Lookup("data").Usage += "; a temporary one that goes with the demo if empty"
	cmd.Flags().BoolVar(&exit, "exit", false, "end after the story instead of staying up")
	return cmd
}

// runDemo tells chapters one after the other, each on a server of its own; the
// last one's stays up.
func runDemo(cmd *cobra.Command, chapters []string, o options, exit bool) error {
	do := demo.Options{Started: time.Now(), Out: cmd.OutOrStdout(), Width: 100}
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) {
		do.Terminal = true
		if w, _, err := term.GetSize(fd); err == nil && w > 0 {
			do.Width = w
		}
	}
	if err := demoParts(chapters); err != nil {
		return err
	}
	if err := forgetAWS(); err != nil {
		return err
	}
	// Ports that are taken must not stop a demo.
	for flag, addr := range map[string]*string{"mysql": &o.mysql, "pg": &o.pg, "aws": &o.aws} {
		if *addr == "" {
			*addr = "127.0.0.1:5439"
		}
		if !cmd.Flags().Changed(flag) {
			*addr = free(*addr)
		}
	}
	var total demo.Tally
	for i, chapter := range chapters {
		own := o
		do.Later = i > 0
		if o.data != "" && len(chapters) > 1 {
			own.data = filepath.Join(o.data, chapter)
		}
		err := tellChapter(cmd.Context(), chapter, own, do, func(do demo.Options, t demo.Tally) {
			if total = total.Add(t); i < len(chapters)-1 {
				return
			}
			if i > 0 {
				demo.End(do, total)
			}
			if !exit {
				demo.Goodbye(do)
				<-cmd.Context().Done()
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// demoParts fails, with the command that fetches them, where the servers are
// missing without which a chapter has no story. That of StarRocks' pages leaves
// out what needs a Hive metastore, unless all is asked for.
func demoParts(chapters []string) error {
	var missing []error
	if len(chapters) > 1 {
		_, _, err := parts.MetastoreInstalled()
		missing = append(missing, err)
	}
	if slices.Contains(chapters, "pipes") {
		missing = append(missing, rds.Installed())
	}
	if err := errors.Join(missing...); err != nil {
		return fmt.Errorf("these chapters need servers that `make parts` fetches once:\n%w", err)
	}
	return nil
}

// tellChapter tells one chapter on a server of its own, which is up until
// after returns.
func tellChapter(ctx context.Context, chapter string, o options, do demo.Options, after func(demo.Options, demo.Tally)) (err error) {
	do, stop, err := demoServer(ctx, o, do)
	if err != nil {
		return err
	}
	defer func() {
		if serr := stop(); err == nil {
			err = serr
		}
	}()
	do.Fresh = func(ctx context.Context) (demo.Options, func() error, error) {
		other := o
		other.data, other.mysql, other.pg, other.aws = "", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		return demoServer(ctx, other, do)
	}
	told, err := demo.Run(ctx, chapter, do)
	if err == nil {
		after(do, told)
	}
	return err
}

// demoServer starts a server with a world of its own, and gives do with where
// it is. stop ends it and removes what it left.
func demoServer(ctx context.Context, o options, do demo.Options) (_ demo.Options, stop func() error, err error) {
	scratch, err := os.MkdirTemp("", "lakeport-demo-")
	if err != nil {
		return do, nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(scratch)
		}
	}()
	if o.data == "" {
		o.data = filepath.Join(scratch, "data")
	} else if found, _ := os.ReadDir(o.data); len(found) > 0 {
		return do, nil, fmt.Errorf("%s is not empty: a chapter begins with an empty directory; give --data another one", o.data)
	}
	do.World, do.Dir = demo.NewWorld(), filepath.Join(scratch, "files")
	if err := os.Mkdir(do.Dir, 0o700); err != nil {
		return do, nil, err
	}
	o.sandbox, o.world = true, filepath.Join(scratch, "world.json")
	if err := writeWorld(o.world, do.World); err != nil {
		return do, nil, err
	}
	s, err := start(ctx, o)
	if err != nil {
		return do, nil, err
	}
	do.MySQL, do.Postgres, do.AWS, do.Trust = s.mysql.Addr().String(), s.pg.String(), s.awsURL, s.trust
	var ends []func()
	do.AtEnd = func(f func()) { ends = append(ends, f) }
	return do, func() error {
		for _, f := range ends {
			f()
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.drain)
		defer cancel()
		return errors.Join(s.shutdown(ctx), os.RemoveAll(scratch))
	}, nil
}

// forgetAWS keeps the machine's own AWS settings out of the story.
func forgetAWS() error {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	for name, value := range map[string]string{"AWS_REGION": demo.Region, "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// free gives addr, or a free port on its host where addr is taken.
func free(addr string) string {
	if probe(addr) {
		return addr
	}
	return addr[:strings.LastIndex(addr, ":")] + ":0"
}

// writeWorld writes the world file of a chapter.
func writeWorld(path string, world demo.World) error {
	text, err := json.MarshalIndent(world, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write the world file: %w", err)
	}
	return nil
}
