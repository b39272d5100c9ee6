package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lakeport/internal/demo"
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
			if err := demo.Check(chapter); err != nil {
				return err
			}
			return runDemo(cmd, chapter, o, exit)
		},
	}
	o.flags(cmd, "")
	cmd.Flags().Lookup("data").Usage += "; a temporary one that goes with the demo if empty"
	cmd.Flags().BoolVar(&exit, "exit", false, "end after the story instead of staying up")
	return cmd
}

func runDemo(cmd *cobra.Command, chapter string, o options, exit bool) (err error) {
	started := time.Now()
	ctx := cmd.Context()
	scratch, err := os.MkdirTemp("", "lakeport-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if o.data == "" {
		o.data = filepath.Join(scratch, "data")
	}
	// Ports that are taken must not stop a demo.
	for flag, addr := range map[string]*string{"mysql": &o.mysql, "aws": &o.aws} {
		if !cmd.Flags().Changed(flag) {
			*addr = free(*addr)
		}
	}
	key, secret := "AKIA"+rand.Text()[:16], rand.Text()+rand.Text()[:14]
	o.sandbox, o.world = true, filepath.Join(scratch, "world.json")
	if err := writeWorld(o.world, key, secret); err != nil {
		return err
	}
	s, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.drain)
		defer cancel()
		if cerr := s.shutdown(ctx); err == nil {
			err = cerr
		}
	}()
	files := filepath.Join(scratch, "trips")
	if err := os.Mkdir(files, 0o700); err != nil {
		return err
	}
	do := demo.Options{
		MySQL: s.mysql.Addr().String(), AWS: s.awsURL, AccessKey: key, SecretKey: secret,
		Dir: files, Started: started, Out: cmd.OutOrStdout(), Width: 100,
	}
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) {
		do.Terminal = true
		if w, _, err := term.GetSize(fd); err == nil && w > 0 {
			do.Width = w
		}
	}
	if err := demo.Run(ctx, chapter, do); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if exit {
		return nil
	}
	demo.Goodbye(do)
	<-ctx.Done()
	return nil
}

// free gives addr, or a free port on its host where addr is taken.
func free(addr string) string {
	if probe(addr) {
		return addr
	}
	return addr[:strings.LastIndex(addr, ":")] + ":0"
}

// writeWorld writes the demo's account: a root key, and a host whose instance
// profile is made later, by the demo itself.
func writeWorld(path, key, secret string) error {
	world := map[string]any{
		"accounts": map[string]any{demo.Account: map[string]any{"root": map[string]string{"access_key_id": key, "secret_access_key": secret}}},
		"host":     map[string]string{"account": demo.Account, "instance_profile": demo.InstanceProfile},
	}
	text, err := json.MarshalIndent(world, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write the world file: %w", err)
	}
	return nil
}
