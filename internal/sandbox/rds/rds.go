// Package rds is the sandbox's Amazon RDS: instances and clusters whose
// databases are real PostgreSQL and MariaDB servers, started on request, each
// behind a front that ends TLS and decides rds-db:connect on the token of a
// login before it speaks to the server with a password of its own.
//
// Shapes and errors follow the Amazon RDS API reference; logins follow "IAM
// database authentication" of the Amazon RDS and Aurora user guides.
package rds

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"lakeport/internal/sandbox"
)

// Options is what the service stands on.
type Options struct {
	Server *sandbox.Server // verifies and decides logins; keeps the records
	Dir    string          // of the databases' files and the authority's key
	Log    *slog.Logger    // nil discards
}

// Service is the databases of all accounts and regions; it implements
// sandbox.Service.
type Service struct {
	server    *sandbox.Server
	dir       string
	log       *slog.Logger
	authority *authority

	mu      sync.Mutex
	running map[string]*running // by resource id
}

// running is a database whose front listens.
type running struct {
	listeners []net.Listener // by the addresses of the database
	engine    engine
	up        chan struct{} // closed when the engine answers or has failed
	err       error         // why it failed; valid once up is closed
	stop      context.CancelFunc
	work      sync.WaitGroup
}

// Kinds of database, as their ARNs spell them.
const (
	instance = "db"
	cluster  = "cluster"
)

// database is the record of an instance or a cluster.
type database struct {
	Kind, Name, Account, Region string
	ID                          string // the resource id that policies name
	Cluster                     string `json:",omitempty"` // of an instance: the cluster whose server it is
	Member                      string `json:",omitempty"` // of a cluster: its instance
	Engine, Version, Class      string
	User, Initial               string // the master user, the first database
	Port, Storage               int
	IAM                         bool              // IAM database authentication
	Parameters                  string            `json:",omitempty"` // the parameter group; "" is the default one
	Waiting                     bool              `json:",omitempty"` // the group was given since the last start
	Applied                     map[string]string `json:",omitempty"` // parameters as they count now
	Seed                        string            // of the passwords that only the front knows
	Created                     time.Time
}

func (d *database) arn() string { return arnOf(d.Region, d.Account, d.Kind, d.Name) }

func arnOf(region, account, kind, name string) string {
	return strings.Join([]string{"arn:aws:rds", region, account, kind, name}, ":")
}

// Where the fronts listen and what their certificate is for. The endpoints of
// a cluster share a port; where AWS gives them names, they differ by address.
const (
	host       = "127.0.0.1" // of an instance by itself, and of a cluster: its writer
	readerHost = "127.0.0.2"
	memberHost = "127.0.0.3" // of the instance in a cluster
)

// hosts lists the addresses that lead to the database's server.
func (d *database) hosts() []string {
	if d.Kind == cluster {
		return []string{host, readerHost, memberHost}
	}
	return []string{host}
}

var bucketName = []byte("rds")

// Open opens RDS over the sandbox's file and starts the databases that it
// holds. They come up behind their ports; Open does not wait for them.
func Open(o Options) (*Service, error) {
	s := &Service{server: o.Server, dir: o.Dir, log: o.Log, running: map[string]*running{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var all []*database
	err := s.server.DB().Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(groupBucket); err != nil {
			return err
		}
		b, err := tx.CreateBucketIfNotExists(bucketName)
		if err != nil {
			return err
		}
		return b.ForEach(func(_, v []byte) error {
			d, err := read(v)
			all = append(all, d)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("open the records of RDS: %w", err)
	}
	if s.authority, err = openAuthority(o.Dir); err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.Cluster != "" {
			continue
		}
		if err := s.start(d, ""); err != nil { // its port may be another's by now; the rest of AWS is there all the same
			s.log.Error("database stays stopped", "database", d.Name, "error", err)
		}
	}
	return s, nil
}

// Close ends the fronts and their databases.
func (s *Service) Close() error {
	s.mu.Lock()
	all := s.running
	s.running = map[string]*running{}
	s.mu.Unlock()
	for _, r := range all {
		r.close()
	}
	return nil
}

func (r *running) close() {
	r.stop()
	for _, l := range r.listeners {
		_ = l.Close()
	}
	r.work.Wait()
}

// listen opens one port at all hosts. Where any will do it tries several, for
// one that is free here may be taken there.
func listen(hosts []string, port int) (list []net.Listener, err error) {
	for range 20 {
		at := port
		for _, h := range hosts {
			l, failed := net.Listen("tcp", fmt.Sprintf("%s:%d", h, at))
			if err = failed; err != nil {
				break
			}
			list, at = append(list, l), l.Addr().(*net.TCPAddr).Port
		}
		if err == nil {
			return list, nil
		}
		for _, l := range list {
			_ = l.Close()
		}
		if list = nil; port != 0 {
			break
		}
	}
	return nil, err
}

// start listens for the database and brings its engine up behind that.
// password is the master's of a new one, else empty.
func (s *Service) start(d *database, password string) error {
	listeners, err := listen(d.hosts(), d.Port)
	if err != nil {
		return fmt.Errorf("listen for database %s: %w", d.Name, err)
	}
	d.Port = listeners[0].Addr().(*net.TCPAddr).Port
	ctx, stop := context.WithCancel(context.Background())
	e := newEngine(d, filepath.Join(s.dir, d.ID))
	r := &running{listeners: listeners, engine: e, up: make(chan struct{}), stop: stop}
	s.mu.Lock()
	s.running[d.ID] = r
	s.mu.Unlock()
	r.work.Go(func() {
		err := e.run(ctx, password, func() { close(r.up) })
		if err == nil || ctx.Err() != nil {
			return
		}
		s.log.Error("database stopped", "database", d.Name, "error", err)
		r.err = err
		select {
		case <-r.up:
		default:
			close(r.up)
		}
	})
	for _, l := range listeners {
		r.work.Go(func() { s.accept(ctx, d.ID, d.arn(), r, l) })
	}
	return nil
}

// accept serves clients until the listener closes. A cluster without an
// instance has nobody who would.
func (s *Service) accept(ctx context.Context, id, arn string, r *running, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		r.work.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			select {
			case <-r.up:
			case <-ctx.Done():
				return
			}
			d, err := s.byARN(arn)
			if err != nil || d == nil || d.ID != id || r.err != nil || d.Kind == cluster && d.Member == "" {
				return
			}
			if err := r.engine.serve(ctx, conn, &door{s, d, l.Addr().String()}); err != nil && ctx.Err() == nil {
				s.log.Debug("connection to a database ended", "database", d.Name, "error", err)
			}
		})
	}
}

// state of a running database, as the API tells it.
func (s *Service) state(id string) string {
	s.mu.Lock()
	r := s.running[id]
	s.mu.Unlock()
	if r == nil {
		return "stopped"
	}
	select {
	case <-r.up:
		if r.err != nil {
			return "failed"
		}
		return "available"
	default:
		return "creating"
	}
}

// reload lets the server of a database, if it runs, take its parameters over.
func (s *Service) reload(ctx context.Context, d *database) error {
	s.mu.Lock()
	r := s.running[d.ID]
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	select {
	case <-r.up:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if e, can := r.engine.(interface {
		reload(context.Context, *database) error
	}); can && r.err == nil {
		return e.reload(ctx, d)
	}
	return nil
}

// drop ends a database and removes its files.
func (s *Service) drop(d *database) error {
	s.mu.Lock()
	r := s.running[d.ID]
	delete(s.running, d.ID)
	s.mu.Unlock()
	if r != nil {
		r.close()
	}
	return os.RemoveAll(filepath.Join(s.dir, d.ID))
}

// Trust serves the certificate of the authority that signs the fronts', where
// the bundle of RDS's own has it: /global/global-bundle.pem.
func (s *Service) Trust() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /global/global-bundle.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(s.authority.pem) // a client that is gone hears nothing
	})
	return mux
}

func read(text []byte) (*database, error) {
	if text == nil {
		return nil, nil
	}
	d := &database{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("read the record of a database: %w", err)
	}
	return d, nil
}

// byARN reads a record, nil if there is none.
func (s *Service) byARN(arn string) (d *database, err error) {
	err = s.server.DB().View(func(tx *bbolt.Tx) error {
		d, err = read(tx.Bucket(bucketName).Get([]byte(arn)))
		return err
	})
	return d, err
}

// list is the databases of a kind by name.
func (s *Service) list(region, account, kind string) (all []*database, err error) {
	prefix := arnOf(region, account, kind, "")
	err = s.server.DB().View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketName).Cursor()
		for k, v := c.Seek([]byte(prefix)); strings.HasPrefix(string(k), prefix); k, v = c.Next() {
			d, err := read(v)
			if err != nil {
				return err
			}
			all = append(all, d)
		}
		return nil
	})
	return all, err
}

// save stores records, all or none; remove is for one that is gone.
func (s *Service) save(all ...*database) error {
	return s.server.DB().Update(func(tx *bbolt.Tx) error {
		for _, d := range all {
			text, err := json.Marshal(d)
			if err == nil {
				err = tx.Bucket(bucketName).Put([]byte(d.arn()), text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) remove(d *database) error {
	return s.server.DB().Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketName).Delete([]byte(d.arn())) })
}

// newID makes a resource id: the prefix and 26 letters and digits.
func newID(kind string) string { return kind + "-" + rand.Text() }
