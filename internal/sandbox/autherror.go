package sandbox

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"lakeport/internal/sigv4"
)

// protocol is how a service writes its errors.
type protocol uint8

const (
	jsonProtocol protocol = iota
	queryProtocol
	s3Protocol
)

func speaks(service string) protocol {
	switch service {
	case "s3":
		return s3Protocol
	case "sts", "iam", "rds", "redshift":
		return queryProtocol
	}
	return jsonProtocol
}

const (
	badToken        = "The security token included in the request is invalid."
	expiredToken    = "The security token included in the request is expired"
	wrongSignature  = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	s3Signature     = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	isoBasic        = "20060102T150405Z"
	s3Malformed     = "The authorization header is malformed; "
	noAuthorization = "Request is missing Authentication Token"
)

// AuthError is what the service answers to a request that does not
// authenticate, with the codes and texts of its own family ("Common errors"
// in the IAM and STS API references, "Error responses" in S3's). Bodies fail
// while they are read, so that S3 needs it too.
func AuthError(service string, e *sigv4.Error) *APIError {
	if speaks(service) == s3Protocol {
		return s3AuthError(e)
	}
	switch e.Reason {
	case sigv4.UnknownKey, sigv4.InvalidToken:
		return plainError(service, "InvalidClientTokenId", "UnrecognizedClientException", badToken)
	case sigv4.ExpiredToken:
		return plainError(service, "ExpiredToken", "ExpiredTokenException", expiredToken)
	case sigv4.Skewed, sigv4.Expired, sigv4.NotYetValid:
		return plainError(service, "SignatureDoesNotMatch", "InvalidSignatureException", skewText(e))
	case sigv4.BadSignature, sigv4.BodyMismatch, sigv4.UnsignedHeaders:
		return plainError(service, "SignatureDoesNotMatch", "InvalidSignatureException", wrongSignature)
	case sigv4.TooLarge:
		return &APIError{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge", Message: e.Detail}
	}
	return plainError(service, "IncompleteSignature", "IncompleteSignatureException", e.Detail)
}

// plainError has status 403 in the query protocol and 400 in the JSON one.
func plainError(service, query, json, message string) *APIError {
	if speaks(service) == queryProtocol {
		return &APIError{Status: http.StatusForbidden, Code: query, Message: message}
	}
	return &APIError{Status: http.StatusBadRequest, Code: json, Message: message}
}

// skewText tells both times.
func skewText(e *sigv4.Error) string {
	skew := e.MaxSkew
	if skew == 0 {
		skew = sigv4.MaxSkew
	}
	minutes := fmt.Sprintf("%d min.", int(skew.Minutes()))
	sent, server := e.RequestTime.UTC(), e.ServerTime.UTC()
	switch {
	case e.Reason == sigv4.Expired:
		return fmt.Sprintf("Signature expired: %s is now earlier than %s", e.Expires.UTC().Format(isoBasic), server.Format(isoBasic))
	case sent.Before(server):
		return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %s)", sent.Format(isoBasic),
			server.Add(-skew).Format(isoBasic), server.Format(isoBasic), minutes)
	}
	return fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %s)", sent.Format(isoBasic),
		server.Add(skew).Format(isoBasic), server.Format(isoBasic), minutes)
}

func s3AuthError(e *sigv4.Error) *APIError {
	fault := func(status int, code, message string, fields ...[2]string) *APIError {
		return &APIError{Status: status, Code: code, Message: message, Fields: fields}
	}
	server := e.ServerTime.UTC().Format(time.RFC3339)
	switch e.Reason {
	case sigv4.UnknownKey:
		return fault(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.",
			[2]string{"AWSAccessKeyId", e.AccessKeyID})
	case sigv4.InvalidToken:
		return fault(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
	case sigv4.ExpiredToken:
		return fault(400, "ExpiredToken", "The provided token has expired.")
	case sigv4.Skewed:
		return fault(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.",
			[2]string{"RequestTime", e.RequestTime.UTC().Format(isoBasic)}, [2]string{"ServerTime", server},
			[2]string{"MaxAllowedSkewMilliseconds", strconv.FormatInt(sigv4.MaxSkew.Milliseconds(), 10)})
	case sigv4.Expired:
		return fault(403, "AccessDenied", "Request has expired", [2]string{"X-Amz-Expires", strconv.Itoa(int(e.Lifetime.Seconds()))},
			[2]string{"Expires", e.Expires.UTC().Format(time.RFC3339)}, [2]string{"ServerTime", server})
	case sigv4.NotYetValid:
		return fault(403, "AccessDenied", "Request is not valid yet", [2]string{"ServerTime", server})
	case sigv4.BadSignature:
		return fault(403, "SignatureDoesNotMatch", s3Signature, [2]string{"AWSAccessKeyId", e.AccessKeyID},
			[2]string{"StringToSign", e.StringToSign}, [2]string{"SignatureProvided", e.SignatureProvided},
			[2]string{"StringToSignBytes", hexBytes(e.StringToSign)}, [2]string{"CanonicalRequest", e.CanonicalRequest},
			[2]string{"CanonicalRequestBytes", hexBytes(e.CanonicalRequest)})
	case sigv4.UnsignedHeaders:
		return fault(403, "AccessDenied", "There were headers present in the request which were not signed",
			[2]string{"HeadersNotSigned", strings.Join(e.Headers, ", ")})
	case sigv4.TwoMechanisms:
		return fault(400, "InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case sigv4.Unsupported:
		return fault(400, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	case sigv4.MissingHash:
		return fault(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	case sigv4.BadHash:
		return fault(400, "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.")
	case sigv4.MissingLength:
		return fault(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	case sigv4.BodyMismatch:
		return fault(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.",
			[2]string{"ClientComputedContentSHA256", e.ClaimedSHA256}, [2]string{"S3ComputedContentSHA256", e.ReceivedSHA256})
	case sigv4.IncompleteBody:
		return fault(400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
	case sigv4.SmallChunk:
		return fault(403, "InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes")
	case sigv4.MalformedTrailer:
		return fault(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
	case sigv4.TooLarge:
		return fault(400, "MaxMessageLengthExceeded", "Your request was too big.")
	}
	if e.Presigned {
		return fault(400, "AuthorizationQueryParametersError", e.Detail)
	}
	return fault(400, "AuthorizationHeaderMalformed", s3Malformed+e.Detail)
}

// hexBytes is a text as S3 spells it out byte by byte.
func hexBytes(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(hex.EncodeToString([]byte{s[i]}))
	}
	return b.String()
}

func unsignedError(service string) *APIError {
	if speaks(service) == s3Protocol {
		return &APIError{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
	}
	return plainError(service, "MissingAuthenticationToken", "MissingAuthenticationTokenException", noAuthorization)
}

func wrongService(service, signed string) *APIError {
	if speaks(service) == s3Protocol {
		return &APIError{Status: http.StatusBadRequest, Code: "AuthorizationHeaderMalformed",
			Message: fmt.Sprintf("%sincorrect service %q. This endpoint belongs to \"s3\".", s3Malformed, signed)}
	}
	return plainError(service, "SignatureDoesNotMatch", "InvalidSignatureException",
		fmt.Sprintf("Credential should be scoped to correct service: '%s'.", service))
}

func wrongRegion(service, region string) *APIError {
	if speaks(service) == s3Protocol {
		return &APIError{Status: http.StatusBadRequest, Code: "AuthorizationHeaderMalformed", Fields: [][2]string{{"Region", "us-east-1"}},
			Message: fmt.Sprintf("%sthe region '%s' is wrong; expecting 'us-east-1'", s3Malformed, region)}
	}
	return plainError(service, "SignatureDoesNotMatch", "InvalidSignatureException", "Credential should be scoped to a valid region.")
}

// deniedByDefault is the answer to a call for which nobody asked iam.
func deniedByDefault(c *Call) *APIError {
	message := fmt.Sprintf("User: %s is not authorized to perform: %s", c.Caller.Principal.ARN, c.Action)
	switch speaks(c.Service) {
	case s3Protocol:
		return &APIError{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
	case queryProtocol:
		return &APIError{Status: http.StatusForbidden, Code: "AccessDenied", Message: message}
	}
	return &APIError{Status: http.StatusBadRequest, Code: "AccessDeniedException", Message: message}
}

func internalError(service string) *APIError {
	code := "InternalServiceException"
	switch {
	case speaks(service) == s3Protocol:
		code = "InternalError"
	case speaks(service) == queryProtocol:
		code = "ServiceFailure"
	}
	return &APIError{Status: http.StatusInternalServerError, Code: code, Message: "We encountered an internal error. Please try again."}
}

// regions is AWS's regions of the standard, China and GovCloud partitions
// ("AWS Regions" in the AWS Regions and Availability Zones guide).
var regions = strings.Fields(`af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2
	ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1
	eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1 me-south-1
	mx-central-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2 cn-north-1 cn-northwest-1 us-gov-east-1 us-gov-west-1 aws-global`)

func validRegion(region string) bool { return slices.Contains(regions, region) }

// formText is what a form may hold; see parseForm.
var formText = regexp.MustCompile(`^[\x20-\x7e]*$`)

// parseForm reads a form body.
func parseForm(body []byte) (url.Values, error) {
	if !formText.Match(body) {
		return nil, fmt.Errorf("form has bytes outside printable ASCII")
	}
	return url.ParseQuery(string(body))
}
