// Package imds is the instance metadata service, version 2, of the sandbox's
// one host (EC2 User Guide, "Use the Instance Metadata Service").
package imds

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/sandbox/world"
)

const (
	maxTTL = 6 * time.Hour
	// lifetime is how long the host's credentials live, and renewal how long
	// before their end new ones are handed out. EC2 promises new ones at
	// least five minutes before; SDKs begin to ask an hour before.
	lifetime  = 6 * time.Hour
	renewal   = 90 * time.Minute
	instance  = "i-0f1a2b3c4d5e6f708"
	maxTokens = 4096
)

// Handler is the metadata service.
type Handler struct {
	world *world.World
	now   func() time.Time

	mu     sync.Mutex
	tokens map[string]time.Time // to their end
	held   *credentials
}

// credentials are the host's, of the role with id role.
type credentials struct {
	role    string
	session *world.Session
	token   string
}

// New serves the host of w by the clock now.
func New(w *world.World, now func() time.Time) *Handler {
	return &Handler{world: w, now: now, tokens: map[string]time.Time{}}
}

// ServeHTTP answers PUT /latest/api/token, and GETs that carry a token.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "EC2ws")
	if r.URL.Path == "/latest/api/token" {
		h.newToken(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if !h.valid(r.Header.Get("X-Aws-Ec2-Metadata-Token")) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if text, ok := h.read(strings.TrimSuffix(r.URL.Path, "/")); ok {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(text)) // a client that is gone hears nothing
		return
	}
	http.NotFound(w, r)
}

func (h *Handler) newToken(w http.ResponseWriter, r *http.Request) {
	const header = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	ttl, err := strconv.Atoi(r.Header.Get(header))
	switch {
	case r.Method != http.MethodPut:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case r.Header.Get("X-Forwarded-For") != "":
		w.WriteHeader(http.StatusForbidden)
		return
	case err != nil || ttl < 1 || time.Duration(ttl)*time.Second > maxTTL:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	token := world.Token()
	h.mu.Lock()
	now := h.now()
	if len(h.tokens) >= maxTokens {
		for t, end := range h.tokens {
			if !now.Before(end) {
				delete(h.tokens, t)
			}
		}
	}
	h.tokens[token] = now.Add(time.Duration(ttl) * time.Second)
	h.mu.Unlock()
	w.Header().Set(header, strconv.Itoa(ttl))
	w.Write([]byte(token)) // a client that is gone hears nothing
}

func (h *Handler) valid(token string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	end, ok := h.tokens[token]
	return ok && h.now().Before(end)
}

// read gives the text at a path without its last slash; ok is false for 404.
func (h *Handler) read(path string) (text string, ok bool) {
	s := h.world.State()
	host := s.Host
	if host.Region == "" {
		host.Region = "us-east-1"
	}
	if host.InstanceID == "" {
		host.InstanceID = instance
	}
	const meta, credentials = "/latest/meta-data", "/latest/meta-data/iam/security-credentials"
	switch path {
	case "", "/latest":
		return "dynamic\nmeta-data\nuser-data", true
	case meta:
		return "ami-id\nhostname\niam/\ninstance-id\nplacement/", true
	case meta + "/instance-id":
		return host.InstanceID, true
	case meta + "/ami-id":
		return "ami-0123456789abcdef0", true
	case meta + "/hostname":
		return "ip-172-31-0-10." + host.Region + ".compute.internal", true
	case meta + "/placement":
		return "availability-zone\nregion", true
	case meta + "/placement/region":
		return host.Region, true
	case meta + "/placement/availability-zone":
		return host.Region + "a", true
	case "/latest/dynamic/instance-identity/document":
		return indented(map[string]string{"accountId": host.Account, "instanceId": host.InstanceID, "region": host.Region,
			"availabilityZone": host.Region + "a", "imageId": "ami-0123456789abcdef0", "architecture": "x86_64", "version": "2017-09-30"}), true
	}
	profile, role := hostRole(s)
	switch {
	case role == nil:
		return "", false
	case path == meta+"/iam":
		return "info\nsecurity-credentials/", true
	case path == meta+"/iam/info":
		return indented(map[string]string{"Code": "Success", "LastUpdated": stamp(h.now()), "InstanceProfileArn": profile.ARN,
			"InstanceProfileId": profile.ID}), true
	case path == credentials:
		return role.Name, true
	case path == credentials+"/"+role.Name:
		return h.credentials(host, role), true
	}
	return "", false
}

// hostRole is the role of the host's profile; nil until both exist.
func hostRole(s *world.State) (*world.Profile, *world.Role) {
	a := s.Accounts[s.Host.Account]
	if a == nil {
		return nil, nil
	}
	p := a.Profiles.Find(s.Host.Profile)
	if p == nil || len(p.Roles) == 0 {
		return p, nil
	}
	return p, a.Roles.Find(p.Roles[0])
}

// credentials gives the document that SDKs read. EC2 assumes the role in the
// host's name, for which the role must trust ec2.amazonaws.com.
func (h *Handler) credentials(host world.Host, role *world.Role) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now().UTC()
	if h.held == nil || h.held.role != role.ID || !now.Before(h.held.session.Expires.Add(-renewal)) || now.Before(h.held.session.IssuedAt) {
		c, err := h.assume(host, role)
		if err != nil {
			return indented(map[string]string{"Code": "AssumeRoleUnauthorizedAccess", "LastUpdated": stamp(now), "Message": err.Error()})
		}
		h.held = c
	}
	c := h.held
	return indented(map[string]string{"Code": "Success", "LastUpdated": stamp(c.session.IssuedAt), "Type": "AWS-HMAC",
		"AccessKeyId": c.session.AccessKeyID, "SecretAccessKey": c.session.Secret.Reveal(), "Token": c.token,
		"Expiration": stamp(c.session.Expires)})
}

func (h *Handler) assume(host world.Host, role *world.Role) (*credentials, error) {
	session := &world.Session{Name: host.InstanceID, Instance: true}
	token, d, err := h.world.AssumeForService("ec2.amazonaws.com", role, session, lifetime, nil)
	if err == nil && d.Effect != iam.Allow {
		err = fmt.Errorf("EC2 cannot assume the role %s. Please see documentation at "+
			"https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc.", role.Name)
	}
	if err != nil {
		return nil, err
	}
	return &credentials{role.ID, session, token}, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// indented is JSON as the service writes it.
func indented(fields map[string]string) string {
	text, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		panic(err) // strings marshal
	}
	return string(text)
}
