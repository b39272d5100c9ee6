package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
)

// The bodies of the S3 API ("Data types", S3 API Reference). Requests are
// read whatever namespace their elements have, as S3 does.
const (
	namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	maxXML    = 4 << 20 // the largest are lists of 10,000 parts
	maxBatch  = 1000
)

// readBody reads a small body whole.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, apiError(400, "MaxMessageLengthExceeded", "Your request was too big.")
	}
	return body, nil
}

// decode reads the body of a configuration, whose checksums it compares.
func (q *request) decode(v any) error {
	body, err := readBody(q.r, maxXML)
	if err != nil {
		return err
	}
	if err := checkBody(q.r, body, false); err != nil {
		return err
	}
	return decode(body, v)
}

// decode reads one XML document and nothing behind it.
func decode(body []byte, v any) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(v); err != nil {
		return malformedXML()
	}
	for {
		switch t, err := d.Token(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return malformedXML()
		default:
			if text, ok := t.(xml.CharData); ok && strings.TrimSpace(string(text)) == "" {
				continue
			}
			if _, ok := t.(xml.Comment); !ok {
				return malformedXML()
			}
		}
	}
}

// readBatch reads the body of DeleteObjects.
func readBatch(body []byte) (*batchRequest, error) {
	b := &batchRequest{}
	if err := decode(body, b); err != nil {
		return nil, err
	}
	if len(b.Object) == 0 || len(b.Object) > maxBatch {
		return nil, malformedXML()
	}
	for _, o := range b.Object {
		if o.Key == "" || len(o.Key) > 1024 || strings.ContainsRune(o.Key, 0) {
			return nil, apiError(400, "UserKeyMustBeSpecified", "The bucket POST must contain the specified field name. If it is specified, please check the order of the fields.")
		}
	}
	return b, nil
}

// readComplete reads the body of CompleteMultipartUpload.
func readComplete(body []byte) (*completeRequest, error) {
	c := &completeRequest{}
	if len(body) == 0 {
		return nil, apiError(400, "InvalidRequest", "You must specify at least one part")
	}
	if err := decode(body, c); err != nil {
		return nil, err
	}
	if len(c.Part) == 0 || len(c.Part) > maxParts {
		return nil, malformedXML()
	}
	return c, nil
}

// checksumSums is a checksum as elements of a body, one of which is set.
type checksumSums struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
	ChecksumSHA512    string `xml:",omitempty"`
	ChecksumMD5       string `xml:",omitempty"`
}

func (c *checksumSums) field(algorithm string) *string {
	switch algorithm {
	case "CRC32":
		return &c.ChecksumCRC32
	case "CRC32C":
		return &c.ChecksumCRC32C
	case "CRC64NVME":
		return &c.ChecksumCRC64NVME
	case "SHA1":
		return &c.ChecksumSHA1
	case "SHA256":
		return &c.ChecksumSHA256
	case "SHA512":
		return &c.ChecksumSHA512
	case "MD5":
		return &c.ChecksumMD5
	}
	return nil
}

// value is what the body says of an algorithm, "" for nothing.
func (c *checksumSums) value(algorithm string) string {
	if f := c.field(algorithm); f != nil {
		return *f
	}
	return ""
}

func sums(algorithm, value string) (c checksumSums) {
	if f := c.field(algorithm); f != nil {
		*f = value
	}
	return c
}

type ownerXML struct{ ID string }

type prefixXML struct{ Prefix string }

type bucketXML struct {
	Name, CreationDate, BucketRegion string
	BucketARN                        string `xml:"BucketArn"`
}

type listBucketsResult struct {
	XMLName           xml.Name    `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Buckets           []bucketXML `xml:"Buckets>Bucket"`
	Owner             ownerXML
	ContinuationToken string `xml:",omitempty"`
	Prefix            string `xml:",omitempty"`
}

type createConfiguration struct {
	XMLName            xml.Name `xml:"CreateBucketConfiguration"`
	LocationConstraint string
	Location, Bucket   *struct{}
	Tags               []tagXML `xml:"Tags>Tag"`
}

type locationResult struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	Region  string   `xml:",chardata"`
}

type objectXML struct {
	Key, LastModified, ETag string
	ChecksumAlgorithm       string `xml:",omitempty"`
	ChecksumType            string `xml:",omitempty"`
	Size                    int64
	Owner                   *ownerXML
	StorageClass            string
}

type listV2Result struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix          string
	Delimiter             string `xml:",omitempty"`
	MaxKeys, KeyCount     int
	EncodingType          string `xml:",omitempty"`
	StartAfter            string `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	IsTruncated           bool
	Contents              []objectXML
	CommonPrefixes        []prefixXML
}

type listV1Result struct {
	XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix, Marker string
	NextMarker           string `xml:",omitempty"`
	Delimiter            string `xml:",omitempty"`
	MaxKeys              int
	EncodingType         string `xml:",omitempty"`
	IsTruncated          bool
	Contents             []objectXML
	CommonPrefixes       []prefixXML
}

type versionXML struct {
	Key               string
	VersionID         string `xml:"VersionId"`
	IsLatest          bool
	LastModified      string
	ETag              *string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              *int64
	StorageClass      string `xml:",omitempty"`
	Owner             ownerXML
}

type listVersionsResult struct {
	XMLName             xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name, Prefix        string
	KeyMarker           string
	VersionIDMarker     string `xml:"VersionIdMarker"`
	NextKeyMarker       string `xml:",omitempty"`
	NextVersionIDMarker string `xml:"NextVersionIdMarker,omitempty"`
	Delimiter           string `xml:",omitempty"`
	MaxKeys             int
	EncodingType        string `xml:",omitempty"`
	IsTruncated         bool
	Version             []versionXML
	DeleteMarker        []versionXML
	CommonPrefixes      []prefixXML
}

type uploadXML struct {
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiator, Owner  ownerXML
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

type listUploadsResult struct {
	XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket, KeyMarker  string
	UploadIDMarker     string `xml:"UploadIdMarker"`
	NextKeyMarker      string `xml:",omitempty"`
	NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
	Prefix             string
	Delimiter          string `xml:",omitempty"`
	EncodingType       string `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Upload             []uploadXML
	CommonPrefixes     []prefixXML
}

type partXML struct {
	PartNumber         int
	LastModified, ETag string
	Size               int64
	checksumSums
}

type listPartsResult struct {
	XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket, Key          string
	UploadID             string `xml:"UploadId"`
	Initiator, Owner     ownerXML
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	ChecksumAlgorithm    string `xml:",omitempty"`
	ChecksumType         string `xml:",omitempty"`
	Part                 []partXML
}

type initiateResult struct {
	XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket, Key string
	UploadID    string `xml:"UploadId"`
}

type completeRequest struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Part    []completePart
}

type completePart struct {
	PartNumber int
	ETag       string
	checksumSums
}

type completeResult struct {
	XMLName                     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location, Bucket, Key, ETag string
	checksumSums
	ChecksumType string `xml:",omitempty"`
}

type copyResult struct {
	XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyObjectResult"`
	LastModified, ETag string
	checksumSums
	ChecksumType string `xml:",omitempty"`
}

type copyPartResult struct {
	XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyPartResult"`
	LastModified, ETag string
	checksumSums
}

type batchObject struct {
	Key       string
	VersionID string `xml:"VersionId"`
	ETag      string
}

type batchRequest struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool
	Object  []batchObject
}

type deleted struct {
	Key                   string
	VersionID             string `xml:"VersionId,omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteError struct {
	Key           string
	VersionID     string `xml:"VersionId,omitempty"`
	Code, Message string
}

type deleteResult struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deleted
	Error   []deleteError
}

type checksumXML struct {
	checksumSums
	ChecksumType string
}

type objectPartXML struct {
	PartNumber int
	Size       int64
	checksumSums
}

type objectPartsXML struct {
	PartsCount           int
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Part                 []objectPartXML
}

type attributesResult struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ GetObjectAttributesResponse"`
	ETag         string   `xml:",omitempty"`
	Checksum     *checksumXML
	ObjectParts  *objectPartsXML
	StorageClass string `xml:",omitempty"`
	ObjectSize   *int64
}

type tagXML struct{ Key, Value string }

type taggingXML struct {
	XMLName xml.Name `xml:"Tagging"`
	TagSet  []tagXML `xml:"TagSet>Tag"`
}

type versioningXML struct {
	XMLName   xml.Name `xml:"VersioningConfiguration"`
	Status    string   `xml:",omitempty"`
	MFADelete string   `xml:"MfaDelete,omitempty"`
}

type encryptionDefault struct {
	Algorithm string `xml:"SSEAlgorithm"`
	KeyID     string `xml:"KMSMasterKeyID,omitempty"`
}

type encryptionRule struct {
	Default   *encryptionDefault `xml:"ApplyServerSideEncryptionByDefault"`
	BucketKey bool               `xml:"BucketKeyEnabled"`
	Blocked   *struct{}          `xml:"BlockedEncryptionTypes"`
}

type encryptionXML struct {
	XMLName xml.Name `xml:"ServerSideEncryptionConfiguration"`
	Rule    []encryptionRule
}

type publicAccessXML struct {
	XMLName    xml.Name `xml:"PublicAccessBlockConfiguration"`
	BlockAcls  bool     `xml:"BlockPublicAcls"`
	IgnoreAcls bool     `xml:"IgnorePublicAcls"`
	Policy     bool     `xml:"BlockPublicPolicy"`
	Restrict   bool     `xml:"RestrictPublicBuckets"`
}

type ownershipRule struct{ ObjectOwnership string }

type ownershipXML struct {
	XMLName xml.Name `xml:"OwnershipControls"`
	Rule    []ownershipRule
}

type policyStatusXML struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ PolicyStatus"`
	IsPublic bool
}

type requestPaymentXML struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ RequestPaymentConfiguration"`
	Payer   string
}

type granteeXML struct {
	NS   string `xml:"xmlns:xsi,attr"`
	Type string `xml:"xsi:type,attr"`
	ID   string
}

type grantXML struct {
	Grantee    granteeXML
	Permission string
}

type aclXML struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ AccessControlPolicy"`
	Owner   ownerXML
	Grant   []grantXML `xml:"AccessControlList>Grant"`
}
