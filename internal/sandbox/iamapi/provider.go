package iamapi

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"lakeport/internal/sandbox/query"
	"lakeport/internal/sandbox/world"
)

func providerARN(account, address string) string {
	return "arn:aws:iam::" + account + ":oidc-provider/" + providerName(address)
}

// providerName is the URL without its scheme and last slash.
func providerName(address string) string {
	_, name, ok := strings.Cut(address, "://")
	if !ok {
		name = address
	}
	return strings.TrimSuffix(name, "/")
}

// validURL tells whether a provider may have the URL. IAM wants https; the
// sandbox takes http too where it leads to this machine, since that is the
// only place from which it fetches keys.
func validURL(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.RawQuery != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && ip != nil && ip.IsLoopback()
}

func createProvider(r *request) (any, error) {
	address := r.get("Url")
	if !validURL(address) {
		return nil, refuse("ValidationError", "Invalid Open ID Connect Provider URL")
	}
	p := &world.Provider{URL: providerName(address), ARN: providerARN(r.account.ID, address), Created: r.world.Now(),
		ClientIDs: query.Members(r.form, "ClientIDList"), Thumbprints: query.Members(r.form, "ThumbprintList")}
	var err error
	if p.Tags, err = r.newTags(nil); err != nil {
		return nil, err
	}
	err = r.change(func(a *world.Account) error {
		if a.Providers.Find(p.URL) != nil {
			return refuse("EntityAlreadyExists", "Provider with url https://"+p.URL+" already exists.")
		}
		a.Providers.Put(p.URL, p)
		return nil
	})
	return struct {
		OpenIDConnectProviderArn string
		Tags                     query.List[tagShape] `xml:",omitempty"`
	}{p.ARN, tagsOf(p.Tags)}, err
}

func getProvider(r *request) (any, error) {
	p, err := r.account.Provider(r.get("OpenIDConnectProviderArn"))
	if err != nil {
		return nil, err
	}
	return struct {
		URL            string `xml:"Url"`
		ClientIDList   query.List[string]
		ThumbprintList query.List[string]
		CreateDate     time.Time
		Tags           query.List[tagShape] `xml:",omitempty"`
	}{p.URL, p.ClientIDs, p.Thumbprints, p.Created, tagsOf(p.Tags)}, nil
}

func listProviders(r *request) (any, error) {
	type entry struct{ Arn string }
	var out query.List[entry]
	for _, p := range r.account.Providers.Sorted() {
		out = append(out, entry{p.ARN})
	}
	return struct{ OpenIDConnectProviderList query.List[entry] }{out}, nil
}

func (r *request) changeProvider(f func(a *world.Account, p *world.Provider)) (any, error) {
	return nothing(r.change(func(a *world.Account) error {
		p, err := a.EditProvider(r.get("OpenIDConnectProviderArn"))
		if err == nil {
			f(a, p)
		}
		return err
	}))
}

func deleteProvider(r *request) (any, error) {
	return r.changeProvider(func(a *world.Account, p *world.Provider) { a.Providers.Delete(p.URL) })
}

func addClientID(r *request) (any, error) {
	return r.changeProvider(func(_ *world.Account, p *world.Provider) {
		if id := r.get("ClientID"); !slices.Contains(p.ClientIDs, id) {
			p.ClientIDs = append(p.ClientIDs, id)
		}
	})
}

func removeClientID(r *request) (any, error) {
	return r.changeProvider(func(_ *world.Account, p *world.Provider) {
		p.ClientIDs = slices.DeleteFunc(p.ClientIDs, func(id string) bool { return id == r.get("ClientID") })
	})
}

func updateThumbprint(r *request) (any, error) {
	return r.changeProvider(func(_ *world.Account, p *world.Provider) {
		p.Thumbprints = query.Members(r.form, "ThumbprintList")
	})
}
