package iceberg

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"lakeport/internal/sandbox"
)

// Operation is one call of the REST catalog API.
type Operation string

// The operations of the API that an endpoint of the sandbox may have.
const (
	GetConfig       Operation = "GetConfig"
	ListNamespaces  Operation = "ListNamespaces"
	CreateNamespace Operation = "CreateNamespace"
	LoadNamespace   Operation = "LoadNamespace"
	NamespaceExists Operation = "NamespaceExists"
	UpdateNamespace Operation = "UpdateNamespace"
	DropNamespace   Operation = "DropNamespace"
	ListTables      Operation = "ListTables"
	CreateTable     Operation = "CreateTable"
	LoadTable       Operation = "LoadTable"
	LoadCredentials Operation = "LoadCredentials"
	TableExists     Operation = "TableExists"
	CommitTable     Operation = "CommitTable"
	DropTable       Operation = "DropTable"
	RenameTable     Operation = "RenameTable"
)

// Endpoints is the API's own spelling of an operation, as configurations list
// them.
var Endpoints = map[Operation]string{
	ListNamespaces: "GET /v1/{prefix}/namespaces", CreateNamespace: "POST /v1/{prefix}/namespaces",
	LoadNamespace: "GET /v1/{prefix}/namespaces/{namespace}", NamespaceExists: "HEAD /v1/{prefix}/namespaces/{namespace}",
	UpdateNamespace: "POST /v1/{prefix}/namespaces/{namespace}/properties", DropNamespace: "DELETE /v1/{prefix}/namespaces/{namespace}",
	ListTables: "GET /v1/{prefix}/namespaces/{namespace}/tables", CreateTable: "POST /v1/{prefix}/namespaces/{namespace}/tables",
	LoadTable: "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}", LoadCredentials: "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials",
	TableExists: "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}", CommitTable: "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
	DropTable: "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}", RenameTable: "POST /v1/{prefix}/tables/rename",
}

// Route is a request of the API taken apart.
type Route struct {
	Operation Operation
	Prefix    string   // of the path, unescaped: what the configuration gave
	Namespace []string // its parts
	Table     string
}

// separator stands between the parts of a namespace in a path.
const separator = "\x1f"

// ParseRoute reads the path below /iceberg/v1. depth is how many elements of
// it the prefix has. A path that is not the API's is a *sandbox.APIError.
func ParseRoute(r *http.Request, depth int) (*Route, error) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/iceberg/v1/")
	if !ok {
		return nil, unknownPath(r)
	}
	var parts []string
	for p := range strings.SplitSeq(strings.TrimRight(path, "/"), "/") {
		text, err := url.PathUnescape(p)
		if err != nil {
			return nil, unknownPath(r)
		}
		parts = append(parts, text)
	}
	if len(parts) == 1 && parts[0] == "config" && r.Method == http.MethodGet {
		return &Route{Operation: GetConfig}, nil
	}
	if len(parts) <= depth {
		return nil, unknownPath(r)
	}
	route := &Route{Prefix: strings.Join(parts[:depth], "/")}
	parts = parts[depth:]
	shape := r.Method + " "
	switch {
	case len(parts) == 2 && parts[0] == "tables" && parts[1] == "rename":
		shape += "/v1/{prefix}/tables/rename"
	case parts[0] != "namespaces" || len(parts) > 5:
		return nil, unknownPath(r)
	default:
		shape += "/v1/{prefix}/namespaces"
		if len(parts) > 1 {
			route.Namespace = strings.Split(parts[1], separator)
			shape += "/{namespace}"
		}
		if len(parts) > 2 {
			shape += "/" + parts[2]
		}
		if len(parts) > 3 {
			route.Table = parts[3]
			shape += "/{table}"
		}
		if len(parts) > 4 {
			shape += "/" + parts[4]
		}
	}
	for op, spelled := range Endpoints {
		if spelled == shape {
			route.Operation = op
			return route, nil
		}
	}
	return nil, unknownPath(r)
}

func unknownPath(r *http.Request) error {
	return Refuse(http.StatusNotFound, "NoSuchEndpointException", "The endpoint has no %s %s.", r.Method, r.URL.Path)
}

// Refuse makes an error of the API: status, exception and message.
func Refuse(status int, exception, format string, args ...any) *sandbox.APIError {
	return &sandbox.APIError{Status: status, Code: exception, Message: fmt.Sprintf(format, args...)}
}

// BadRequest refuses a body that the API does not take.
func BadRequest(format string, args ...any) *sandbox.APIError {
	return Refuse(http.StatusBadRequest, "BadRequestException", format, args...)
}

// Decode reads a JSON body.
func Decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return BadRequest("The body is not what the operation takes: %v", err)
	}
	return nil
}

// Fail writes an error as the API has it: ErrorModel in "error".
func Fail(w http.ResponseWriter, requestID string, err *sandbox.APIError) {
	status := err.Status
	if status == http.StatusBadRequest && err.Code == "AccessDeniedException" { // the JSON services' own status
		status = http.StatusForbidden
	}
	type model struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    int    `json:"code"`
	}
	body, _ := json.Marshal(map[string]model{"error": {err.Message, err.Code, status}})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-RequestId", requestID)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone hears nothing
}

// Answer writes a result; nil is answered with 204.
func Answer(w http.ResponseWriter, requestID string, out any) error {
	w.Header().Set("X-Amzn-RequestId", requestID)
	if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(body)
	return err
}

// StorageKeys are credentials for what lies below a prefix.
type StorageKeys struct {
	Prefix string            `json:"prefix"`
	Config map[string]string `json:"config"`
}

// Loaded is the answer of loadTable, createTable and updateTable.
type Loaded struct {
	Location string            `json:"metadata-location"`
	Metadata json.RawMessage   `json:"metadata"`
	Config   map[string]string `json:"config,omitempty"`
	Storage  []StorageKeys     `json:"storage-credentials,omitempty"`
}
