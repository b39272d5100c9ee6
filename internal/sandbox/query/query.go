// Package query is AWS's query protocol as STS and IAM speak it: form
// parameters in, XML out ("AWS Query protocol" of the Smithy specification).
package query

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"lakeport/internal/sandbox"
)

// List is a list in an answer. An empty one is written too: clients take an
// absent element for no answer.
type List[T any] []T

// MarshalXML writes the items as <member> elements.
func (l List[T]) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, item := range l {
		if err := e.EncodeElement(item, xml.StartElement{Name: xml.Name{Local: "member"}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// Write answers a call. A nil result is that of an operation without one.
func Write(w http.ResponseWriter, c *sandbox.Call, namespace string, result any) error {
	action := c.Form().Get("Action")
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%sResponse xmlns=%q>", action, namespace)
	if result != nil {
		start := xml.StartElement{Name: xml.Name{Local: action + "Result"}}
		if err := xml.NewEncoder(&b).EncodeElement(result, start); err != nil {
			return fmt.Errorf("write answer of %s: %w", action, err)
		}
	}
	fmt.Fprintf(&b, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>\n", c.RequestID, action)
	send(w, http.StatusOK, b.Bytes())
	return nil
}

// errorBody is an error on the wire.
type errorBody struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Error     struct {
		Type    string
		Code    string
		Message string
	}
	RequestID string `xml:"RequestId"`
}

// Fail answers with an error.
func Fail(w http.ResponseWriter, requestID, namespace string, err *sandbox.APIError) {
	body := errorBody{Namespace: namespace, RequestID: requestID}
	body.Error.Type, body.Error.Code, body.Error.Message = "Sender", err.Code, err.Message
	if err.Status >= 500 {
		body.Error.Type = "Receiver"
	}
	text, merr := xml.Marshal(body)
	if merr != nil {
		http.Error(w, err.Error(), err.Status)
		return
	}
	send(w, err.Status, append(text, '\n'))
}

func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // a client that is gone hears nothing
}

// UnknownAction is the error for an action that the service does not have.
func UnknownAction(form url.Values) *sandbox.APIError {
	if form.Get("Action") == "" {
		return &sandbox.APIError{Status: http.StatusBadRequest, Code: "MissingAction", Message: "The request is missing an action or operation parameter."}
	}
	return &sandbox.APIError{Status: http.StatusBadRequest, Code: "InvalidAction",
		Message: fmt.Sprintf("Could not find operation %s for version %s", form.Get("Action"), form.Get("Version"))}
}

// Members gives the values of Name.member.1, .2, ... in order.
func Members(form url.Values, name string) []string {
	var out []string
	for i := 1; i <= maxMembers; i++ {
		v, ok := form[name+".member."+strconv.Itoa(i)]
		if !ok {
			break
		}
		out = append(out, v[0])
	}
	return out
}

// Structs gives the parameters below Name.member.1., .2., ... in order.
func Structs(form url.Values, name string) []url.Values {
	var out []url.Values
	byIndex := map[int]url.Values{}
	for key, v := range form {
		rest, ok := strings.CutPrefix(key, name+".member.")
		if !ok {
			continue
		}
		number, field, ok := strings.Cut(rest, ".")
		i, err := strconv.Atoi(number)
		if !ok || err != nil || i < 1 || i > maxMembers {
			continue
		}
		if byIndex[i] == nil {
			byIndex[i] = url.Values{}
		}
		byIndex[i][field] = v
	}
	for i := 1; byIndex[i] != nil; i++ {
		out = append(out, byIndex[i])
	}
	return out
}

// maxMembers bounds the lists of a request; IAM's longest has 1,000.
const maxMembers = 10_000
