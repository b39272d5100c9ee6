package world

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lakeport/internal/iam"
	"lakeport/internal/secret"
	"lakeport/internal/sigv4"
)

// Session is temporary credentials: what was fixed when they were issued.
// Nothing of it is stored: the session token is the sealed session, so that
// credentials outlive a restart, as they do on AWS.
type Session struct {
	AccessKeyID string
	Secret      secret.String

	Account        string
	Subject        string // unique id of the role or user; the account for its root user
	Name           string // role session name; empty for GetSessionToken
	IssuedAt       time.Time
	Expires        time.Time
	Tags           map[string]string // session tags, inherited ones included
	Transitive     []string          // keys of Tags that pass on to the next role
	SourceIdentity string
	Policies       []string // session policy documents passed inline
	PolicyARNs     []string // managed policies passed as session policies
	MFA            bool
	Provider       string // web identity: ARN of the provider
	Instance       bool   // delivered by the metadata service

	documents []*Document
}

// sealedSession is the session inside its token.
type sealedSession struct {
	Key        string            `json:"k"`
	Secret     string            `json:"s"`
	Account    string            `json:"a"`
	Subject    string            `json:"u"`
	Name       string            `json:"n,omitempty"`
	Issued     int64             `json:"i"`
	Expires    int64             `json:"e"`
	Tags       map[string]string `json:"t,omitempty"`
	Transitive []string          `json:"r,omitempty"`
	Source     string            `json:"o,omitempty"`
	Policies   []string          `json:"p,omitempty"`
	PolicyARNs []string          `json:"m,omitempty"`
	MFA        bool              `json:"f,omitempty"`
	Provider   string            `json:"w,omitempty"`
	Instance   bool              `json:"h,omitempty"`
}

const (
	tokenLabel = "session"
	// minToken pads short sessions, so that every token is longer than 300
	// characters, as AWS's are: clients that cut tokens shall be found out.
	minToken = 256
	// packedLimit is the size of packed session policies and tags that counts
	// as 100 percent. Assumed: AWS does not publish the format it packs into.
	packedLimit = 4096
)

// ErrTooLarge tells that session policies and tags exceed the packed limit.
var ErrTooLarge = errors.New("session policies and tags are too large")

// Issue gives s a new key and secret and makes its token. percent is how much
// of the packed limit its policies and tags take.
func (w *World) Issue(s *Session) (token string, percent int, err error) {
	s.AccessKeyID, s.Secret = identifier(prefixTempKey, s.Account), secret.New(newSecret())
	percent = s.packedPercent()
	if percent > 100 {
		return "", percent, ErrTooLarge
	}
	text, err := json.Marshal(sealedSession{s.AccessKeyID, s.Secret.Reveal(), s.Account, s.Subject, s.Name,
		s.IssuedAt.Unix(), s.Expires.Unix(), s.Tags, s.Transitive, s.SourceIdentity, s.Policies, s.PolicyARNs,
		s.MFA, s.Provider, s.Instance})
	if err != nil {
		return "", 0, err
	}
	packed := deflate(text)
	plain := binary.BigEndian.AppendUint32(nil, uint32(len(packed)))
	plain = append(plain, packed...)
	if short := minToken - len(plain); short > 0 {
		plain = append(plain, make([]byte, short)...)
	}
	token = base64.StdEncoding.EncodeToString(w.box.Seal(plain, tokenLabel))
	s.prepare()
	w.sessions.put(token, s)
	return token, percent, nil
}

func (s *Session) packedPercent() int {
	if len(s.Policies) == 0 && len(s.PolicyARNs) == 0 && len(s.Tags) == 0 {
		return 0
	}
	text, err := json.Marshal([]any{s.Policies, s.PolicyARNs, s.Tags})
	if err != nil {
		return 0
	}
	return (len(deflate(text))*100 + packedLimit - 1) / packedLimit
}

func (s *Session) prepare() {
	for _, text := range s.Policies {
		s.documents = append(s.documents, NewDocument(text))
	}
}

// session opens a token.
func (w *World) session(token string) (*Session, error) {
	if s, ok := w.sessions.get(token); ok {
		return s, nil
	}
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return nil, fmt.Errorf("decode session token: %w", err)
	}
	plain, err := w.box.Unseal(sealed, tokenLabel)
	if err != nil {
		return nil, fmt.Errorf("open session token: %w", err)
	}
	n := int(binary.BigEndian.Uint32(plain))
	text, err := inflate(plain[4:4+n], 1<<20)
	if err != nil {
		return nil, fmt.Errorf("unpack session token: %w", err)
	}
	var t sealedSession
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, fmt.Errorf("read session token: %w", err)
	}
	s := &Session{AccessKeyID: t.Key, Secret: secret.New(t.Secret), Account: t.Account, Subject: t.Subject, Name: t.Name,
		IssuedAt: time.Unix(t.Issued, 0).UTC(), Expires: time.Unix(t.Expires, 0).UTC(), Tags: t.Tags,
		Transitive: t.Transitive, SourceIdentity: t.Source, Policies: t.Policies, PolicyARNs: t.PolicyARNs,
		MFA: t.MFA, Provider: t.Provider, Instance: t.Instance}
	s.prepare()
	w.sessions.put(token, s)
	return s, nil
}

// Identity is who an access key belongs to.
type Identity struct {
	Principal   iam.Principal
	AccessKeyID string
	Secret      secret.String
	Name        string            // of the user; empty for root and roles
	Tags        map[string]string // of the user or role, and of the session, which win
	Session     *Session          // nil for long-term keys
}

// Identify finds the owner of an access key. Its errors are *sigv4.Error with
// the reasons UnknownKey, InvalidToken or ExpiredToken.
func (w *World) Identify(accessKeyID, token string) (*Identity, error) {
	s := w.State()
	cached := accessKeyID
	if token != "" {
		cached = token
	}
	if id, ok := s.who.get(cached); ok && id.AccessKeyID == accessKeyID {
		if id.Session != nil && !w.now().Before(id.Session.Expires) {
			return nil, expired(id.Session)
		}
		return id, nil
	}
	id, err := w.identify(s, accessKeyID, token)
	if err != nil {
		return nil, err
	}
	s.who.put(cached, id)
	return id, nil
}

func (w *World) identify(s *State, accessKeyID, token string) (*Identity, error) {
	owner, known := s.keys[accessKeyID]
	switch {
	case known && token != "":
		return nil, &sigv4.Error{Reason: sigv4.InvalidToken, Detail: "a long-term key comes without a session token"}
	case known && !owner.key.Active:
		return nil, &sigv4.Error{Reason: sigv4.UnknownKey, Detail: "the access key is inactive"}
	case known && owner.user == nil:
		return s.root(owner), nil
	case known:
		return s.user(owner.user, owner.account.ID, accessKeyID, owner.key.Secret, nil), nil
	case token == "":
		return nil, &sigv4.Error{Reason: sigv4.UnknownKey, Detail: "no such access key, or its session token was not sent"}
	}
	session, err := w.session(token)
	if err != nil {
		return nil, &sigv4.Error{Reason: sigv4.InvalidToken, Err: err}
	}
	if session.AccessKeyID != accessKeyID {
		return nil, &sigv4.Error{Reason: sigv4.InvalidToken, Detail: "the session token belongs to another access key"}
	}
	if !w.now().Before(session.Expires) {
		return nil, expired(session)
	}
	return s.bearer(session)
}

func expired(s *Session) error {
	return &sigv4.Error{Reason: sigv4.ExpiredToken, Detail: "the session ended at " + s.Expires.Format(time.RFC3339)}
}

func (s *State) root(o keyOwner) *Identity {
	return &Identity{Principal: iam.Principal{Kind: iam.Root, Account: o.account.ID, ARN: RootARN(o.account.ID), ID: o.account.ID},
		AccessKeyID: o.key.ID, Secret: o.key.Secret}
}

func (s *State) user(u *User, account, keyID string, key secret.String, session *Session) *Identity {
	return &Identity{Principal: iam.Principal{Kind: iam.User, Account: account, ARN: u.ARN, ID: u.ID},
		AccessKeyID: keyID, Secret: key, Name: u.Name, Tags: mergeTags(u.Tags, nil), Session: session}
}

// bearer is who a session acts as. A session whose role or user is gone is no
// longer valid.
func (s *State) bearer(t *Session) (*Identity, error) {
	if t.Subject == t.Account {
		return &Identity{Principal: iam.Principal{Kind: iam.Root, Account: t.Account, ARN: RootARN(t.Account), ID: t.Account},
			AccessKeyID: t.AccessKeyID, Secret: t.Secret, Session: t}, nil
	}
	switch subject := s.byID[t.Subject].(type) {
	case *User:
		return s.user(subject, t.Account, t.AccessKeyID, t.Secret, t), nil
	case *Role:
		return &Identity{Principal: SessionPrincipal(t.Account, subject, t.Name), AccessKeyID: t.AccessKeyID, Secret: t.Secret,
			Tags: mergeTags(subject.Tags, t.Tags), Session: t}, nil
	}
	return nil, &sigv4.Error{Reason: sigv4.InvalidToken, Detail: "the session's role or user no longer exists"}
}

// SessionPrincipal is a session of a role.
func SessionPrincipal(account string, r *Role, session string) iam.Principal {
	return iam.Principal{Kind: iam.Role, Account: account, ARN: "arn:aws:sts::" + account + ":assumed-role/" + r.Name + "/" + session,
		ID: r.ID + ":" + session, RoleARN: r.ARN, RoleID: r.ID}
}

// mergeTags gives the tags of an entity overridden by session tags. Keys are
// compared without regard to case (IAM User Guide, "Pass session tags").
func mergeTags(own []Tag, session map[string]string) map[string]string {
	if len(own) == 0 && len(session) == 0 {
		return nil
	}
	out := make(map[string]string, len(own)+len(session))
	for _, t := range own {
		if !slices.ContainsFunc(keysOf(session), func(k string) bool { return strings.EqualFold(k, t.Key) }) {
			out[t.Key] = t.Value
		}
	}
	for k, v := range session {
		out[k] = v
	}
	return out
}

func keysOf(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

// Use is when and for what a key or role was last used.
type Use struct {
	At      time.Time
	Service string
	Region  string
}

// Touch records a use of the caller's key, and of its role.
func (w *World) Touch(id *Identity, service, region string) {
	use := Use{w.Now(), service, region}
	name := id.AccessKeyID
	if id.Principal.Kind == iam.Role {
		name = id.Principal.RoleID
	}
	if last, ok := w.used.Load(name); ok && last.(Use) == use {
		return
	}
	w.used.Store(name, use)
}

// LastUse tells the last use of an access key or of a role's unique id.
func (w *World) LastUse(id string) (Use, bool) {
	u, ok := w.used.Load(id)
	if !ok {
		return Use{}, false
	}
	return u.(Use), true
}

// SealMessage makes what DecodeAuthorizationMessage turns back into text.
func (w *World) SealMessage(text string) string {
	return base64.RawURLEncoding.EncodeToString(w.box.Seal(deflate([]byte(text)), "message"))
}

// OpenMessage reads what SealMessage made.
func (w *World) OpenMessage(sealed string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("decode authorization message: %w", err)
	}
	if b, err = w.box.Unseal(b, "message"); err != nil {
		return "", fmt.Errorf("open authorization message: %w", err)
	}
	b, err = inflate(b, 1<<20)
	return string(b), err
}

// deflate packs a session's facts as tightly as is worth it.
func deflate(b []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func inflate(b []byte, limit int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), limit))
}
