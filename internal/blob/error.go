package blob

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// Error is a request that S3 refused or that could not be made. It keeps what
// is needed to explain it: who asked is known to the caller, what was asked and
// what was answered stands here. It is a smithy.APIError where S3 answered.
type Error struct {
	Op           string // IAM action: "s3:GetObject", "s3:ListBucket", "s3:PutObject"
	URI          string // s3://bucket/key
	Status       int    // HTTP status; 0: no answer
	Code         string // S3's code: "AccessDenied"; empty: no answer
	Message      string // S3's message, unchanged
	RequestID    string
	BucketRegion string // where the bucket is, if S3 said so
	ServerTime   time.Time
	LocalTime    time.Time // when the request was signed
	Err          error     // cause, where it is not S3's own answer to this request

	final bool // asking again cannot help, although S3 gave no answer
}

// Error gives action, object and the answer or the cause.
func (e *Error) Error() string { return e.Op + " " + e.URI + ": " + e.reason() }

// reason is what was answered, or the cause.
func (e *Error) reason() string {
	var b strings.Builder
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Message != "":
		fmt.Fprintf(&b, "%s (%s, status %d)", e.Message, e.Code, e.Status)
	default:
		fmt.Fprintf(&b, "%s (status %d)", e.Code, e.Status)
	}
	if e.Code == "RequestTimeTooSkewed" {
		fmt.Fprintf(&b, "; S3's clock says %s, ours said %s", e.ServerTime.UTC().Format(time.RFC3339), e.LocalTime.UTC().Format(time.RFC3339))
	}
	if e.BucketRegion != "" {
		fmt.Fprintf(&b, "; the bucket is in region %s", e.BucketRegion)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorCode is S3's code, for smithy.APIError.
func (e *Error) ErrorCode() string { return e.Code }

// ErrorMessage is S3's message, for smithy.APIError.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorFault tells whose fault it is, for smithy.APIError.
func (e *Error) ErrorFault() smithy.ErrorFault {
	switch {
	case e.Status >= 500:
		return smithy.FaultServer
	case e.Status >= 400:
		return smithy.FaultClient
	}
	return smithy.FaultUnknown
}

// HTTPStatusCode is Status, as the SDK's response errors spell it.
func (e *Error) HTTPStatusCode() int { return e.Status }

// ServiceRequestID is RequestID, as the SDK's response errors spell it.
func (e *Error) ServiceRequestID() string { return e.RequestID }

// Action is the IAM action that was asked for.
func (e *Error) Action() string { return e.Op }

// Resource is the ARN that the action was asked for.
func (e *Error) Resource() string {
	return "arn:aws:s3:::" + strings.TrimPrefix(e.URI, "s3://")
}

// Clocks gives the time that the request was signed with and S3's own; the
// second is zero where S3 did not say.
func (e *Error) Clocks() (local, server time.Time) { return e.LocalTime, e.ServerTime }

// Region is where the bucket is, if S3 said so.
func (e *Error) Region() string { return e.BucketRegion }

// retriable tells whether asking again may help.
func (e *Error) retriable() bool {
	if e.final {
		return false
	}
	switch e.Status {
	case 0, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.Code == "RequestTimeout"
}

// throttled tells whether S3 asks to be asked less.
func (e *Error) throttled() bool {
	return e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests
}

// expired tells whether newer credentials may help.
func (e *Error) expired() bool {
	return e.Code == "ExpiredToken" || e.Code == "ExpiredTokenException" || e.Code == "TokenRefreshRequired"
}

// changed says that an object is not any more what was listed.
func changed(o lake.Object, found string) error {
	return sqlerr.New(sqlerr.Conflict, "%s changed while the statement read it: %s", o.URI(), found).
		WithHint("run the statement again; REFRESH EXTERNAL TABLE if a cached listing names the old object")
}

// s3Answer is the body of S3's errors, as the S3 API reference's "Error
// Responses" gives it.
type s3Answer struct {
	Code       string
	Message    string
	RequestID  string `xml:"RequestId"`
	Region     string
	ServerTime time.Time
}

// answerError makes an Error from an answer's status, headers and the start of
// its body, which may be anything.
func answerError(op, uri string, status int, h http.Header, body []byte, signed time.Time) *Error {
	var a s3Answer
	if err := xml.Unmarshal(body, &a); err != nil || a.Code == "" {
		a = s3Answer{Code: codeOf(status), Message: ""}
	}
	e := &Error{Op: op, URI: uri, Status: status, Code: a.Code, Message: a.Message, RequestID: a.RequestID, LocalTime: signed, ServerTime: a.ServerTime}
	if e.RequestID == "" {
		e.RequestID = h.Get("X-Amz-Request-Id")
	}
	if e.ServerTime.IsZero() {
		e.ServerTime, _ = http.ParseTime(h.Get("Date"))
	}
	switch e.Code {
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		e.BucketRegion = a.Region
		if r := h.Get("X-Amz-Bucket-Region"); r != "" {
			e.BucketRegion = r
		}
	}
	return e
}

// codeOf names an answer without a body the way S3 names it with one.
func codeOf(status int) string {
	switch status {
	case http.StatusMovedPermanently:
		return "PermanentRedirect"
	case http.StatusForbidden:
		return "AccessDenied"
	case http.StatusNotFound:
		return "NoSuchKey"
	case http.StatusPreconditionFailed:
		return "PreconditionFailed"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailable"
	}
	return "HTTP " + http.StatusText(status)
}

// sdkError makes an Error from what the SDK's client returned.
func sdkError(op, uri string, err error, now time.Time) error {
	e := &Error{Op: op, URI: uri, LocalTime: now, Err: err}
	if re, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		e.Status, e.RequestID = re.HTTPStatusCode(), re.ServiceRequestID()
		if re.Response != nil {
			e.ServerTime, _ = http.ParseTime(re.Response.Header.Get("Date"))
			if e.Status == http.StatusMovedPermanently || e.Status == http.StatusBadRequest {
				e.BucketRegion = re.Response.Header.Get("X-Amz-Bucket-Region")
			}
		}
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		e.Code, e.Message = api.ErrorCode(), api.ErrorMessage()
	}
	return e
}
