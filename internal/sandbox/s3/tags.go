package s3

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// "Categorizing your objects using tags" and "Using cost allocation tags", S3
// User Guide.
const (
	maxObjectTags = 10
	maxBucketTags = 50
)

// readTagHeader reads x-amz-tagging: k=v&k=v, URL-encoded.
func readTagHeader(text string) (map[string]string, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, invalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
			"x-amz-tagging", text)
	}
	var tags []tagXML
	for k, v := range values {
		if len(v) > 1 {
			return nil, apiError(400, "InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		tags = append(tags, tagXML{k, v[0]})
	}
	if len(tags) > maxObjectTags {
		return nil, tooManyTags(maxObjectTags)
	}
	return tagMap(tags)
}

// tagMap checks a list of tags; nil if it is empty.
func tagMap(tags []tagXML) (map[string]string, error) {
	if len(tags) == 0 {
		return nil, nil
	}
	m := map[string]string{}
	for _, t := range tags {
		switch _, double := m[t.Key]; {
		case double:
			return nil, apiError(400, "InvalidTag", "Cannot provide multiple Tags with the same key", "TagKey", t.Key)
		case t.Key == "" || utf8.RuneCountInString(t.Key) > 128 || !tagText(t.Key):
			return nil, apiError(400, "InvalidTag", "The TagKey you have provided is invalid", "TagKey", t.Key)
		case utf8.RuneCountInString(t.Value) > 256 || !tagText(t.Value):
			return nil, apiError(400, "InvalidTag", "The TagValue you have provided is invalid", "TagKey", t.Key)
		case len(t.Key) >= 4 && t.Key[:4] == "aws:":
			return nil, apiError(400, "InvalidTag", "System tags cannot be added/updated by requester", "TagKey", t.Key)
		}
		m[t.Key] = t.Value
	}
	return m, nil
}

// tagText tells whether a tag has only the characters that all services of
// AWS take.
func tagText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsSpace(r) && !strings.ContainsRune("+-=._:/@", r)
	})
}

func tooManyTags(most int) *apiErr {
	if most == maxBucketTags {
		return apiError(400, "BadRequest", "Bucket tag count cannot be greater than 50")
	}
	return apiError(400, "BadRequest", "Object tags cannot be greater than 10")
}

func tagList(m map[string]string) *taggingXML {
	x := &taggingXML{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		x.TagSet = append(x.TagSet, tagXML{k, m[k]})
	}
	return x
}

// readTags reads the body of a tagging request.
func (q *request) readTags(most int) (map[string]string, error) {
	var x taggingXML
	if err := q.decode(&x); err != nil {
		return nil, err
	}
	if len(x.TagSet) > most {
		return nil, tooManyTags(most)
	}
	return tagMap(x.TagSet)
}

func (s *Service) getTags(w http.ResponseWriter, q *request) error {
	o, err := s.readable(w, q)
	if err != nil {
		return err
	}
	if q.b.Versioning != "" {
		w.Header().Set("X-Amz-Version-Id", o.versionID())
	}
	return writeXML(w, tagList(o.Tags))
}

func (s *Service) putTags(w http.ResponseWriter, q *request) error {
	tags, err := q.readTags(maxObjectTags)
	if err != nil {
		return err
	}
	return s.retag(w, q, tags)
}

func (s *Service) deleteTags(w http.ResponseWriter, q *request) error {
	if err := s.retag(w, q, nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// retag stores the tags of the version that q asks for.
func (s *Service) retag(w http.ResponseWriter, q *request, tags map[string]string) error {
	if _, err := s.readable(w, q); err != nil {
		return err
	}
	return s.store.update(q.bucket, func(t *tx) error {
		var o *object
		var at []byte
		var err error
		if id := q.query.Get("versionId"); id != "" {
			o, at, err = t.version(q.key, id)
		} else {
			o, err = t.live(q.key)
		}
		if err != nil {
			return err
		}
		if o == nil || o.Marker {
			return noSuchKey(q.key)
		}
		c := *o
		c.Tags = tags
		if q.b.Versioning != "" {
			w.Header().Set("X-Amz-Version-Id", o.versionID())
		}
		return t.replace(q.key, &c, at)
	})
}

func (s *Service) getBucketTags(w http.ResponseWriter, q *request) error {
	if len(q.b.Tags) == 0 {
		return apiError(404, "NoSuchTagSet", "The TagSet does not exist", "BucketName", q.bucket)
	}
	return writeXML(w, tagList(q.b.Tags))
}

func (s *Service) putBucketTags(w http.ResponseWriter, q *request) error {
	tags, err := q.readTags(maxBucketTags)
	if err != nil {
		return err
	}
	return s.changed(w, q, func(b *bucket) { b.Tags = tags })
}

func (s *Service) deleteBucketTags(w http.ResponseWriter, q *request) error {
	return s.changed(w, q, func(b *bucket) { b.Tags = nil })
}
