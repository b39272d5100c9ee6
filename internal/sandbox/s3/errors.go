package s3

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"

	"lakeport/internal/sandbox"
)

type apiErr = sandbox.APIError

// apiError makes an error as S3 words it ("Error responses", S3 API
// Reference). fields are names and values of further elements.
func apiError(status int, code, message string, fields ...string) *apiErr {
	e := &apiErr{Status: status, Code: code, Message: message}
	for i := 0; i+1 < len(fields); i += 2 {
		e.Fields = append(e.Fields, [2]string{fields[i], fields[i+1]})
	}
	return e
}

func noSuchBucket(name string) *apiErr {
	return apiError(404, "NoSuchBucket", "The specified bucket does not exist", "BucketName", name)
}

func noSuchKey(key string) *apiErr {
	return apiError(404, "NoSuchKey", "The specified key does not exist.", "Key", key)
}

func noSuchVersion(key, id string) *apiErr {
	return apiError(404, "NoSuchVersion", "The specified version does not exist.", "Key", key, "VersionId", id)
}

func noSuchUpload(id string) *apiErr {
	return apiError(404, "NoSuchUpload", "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
		"UploadId", id)
}

func invalidArgument(message, name, value string) *apiErr {
	return apiError(400, "InvalidArgument", message, "ArgumentName", name, "ArgumentValue", value)
}

func malformedXML() *apiErr {
	return apiError(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func preconditionFailed(condition string) *apiErr {
	return apiError(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", "Condition", condition)
}

// notImplemented refuses by name what the sandbox does not do.
func notImplemented(what string) *apiErr {
	return apiError(501, "NotImplemented", fmt.Sprintf("The sandbox does not implement %s.", what))
}

// Fail writes err as S3 does: XML, or nothing for HEAD and 304.
func (s *Service) Fail(w http.ResponseWriter, r *http.Request, requestID string, err *sandbox.APIError) {
	h := w.Header()
	setIDs(h, requestID)
	// Clients find a bucket's region by asking in a wrong one or without
	// credentials ("HeadBucket", S3 API Reference).
	if name, _ := s.address(r); name != "" {
		if b := s.store.bucket(name); b != nil {
			h.Set("X-Amz-Bucket-Region", b.Region)
		}
	}
	if err.Status == http.StatusNotModified {
		w.WriteHeader(err.Status)
		return
	}
	var b bytes.Buffer
	b.WriteString(xml.Header + "<Error>")
	element(&b, "Code", err.Code)
	element(&b, "Message", err.Message)
	for _, f := range err.Fields {
		element(&b, f[0], f[1])
	}
	element(&b, "RequestId", requestID)
	element(&b, "HostId", hostID)
	b.WriteString("</Error>")
	h.Set("Content-Type", "application/xml")
	for _, name := range []string{"Content-Length", "Etag", "Last-Modified", "Content-Range", "Accept-Ranges", "Cache-Control", "Content-Encoding"} {
		h.Del(name)
	}
	w.WriteHeader(err.Status)
	if r.Method != http.MethodHead {
		w.Write(b.Bytes())
	}
}

// hostID stands where AWS names the machine that answered.
const hostID = "bGFrZXBvcnQgc2FuZGJveA=="

func setIDs(h http.Header, requestID string) {
	h.Set("X-Amz-Request-Id", requestID)
	h.Set("X-Amz-Id-2", hostID)
	h.Set("Server", "AmazonS3")
}

func element(b *bytes.Buffer, name, value string) {
	b.WriteString("<" + name + ">")
	xml.EscapeText(b, []byte(value)) // a Buffer does not fail
	b.WriteString("</" + name + ">")
}

// writeXML answers 200 with v under the namespace of the S3 API, which v's
// XMLName carries.
func writeXML(w http.ResponseWriter, v any) error {
	body, err := xml.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Write([]byte(xml.Header))
	w.Write(body)
	return nil
}
