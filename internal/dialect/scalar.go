package dialect

import (
	"slices"
	"strings"

	"lakeport/internal/lake"
	"lakeport/internal/syntax"
)

// goPrefix begins the engine's names of functions written in Go.
const goPrefix = "starrocks_"

// Functions gives the functions that are computed in Go, because SQL cannot say
// them well. Their names begin with starrocks_ or redshift_.
func Functions() []lake.Function { return slices.Concat(functions, templates, redshiftScalars) }

var (
	text      = lake.Type{Kind: lake.Varchar}
	blob      = lake.Type{Kind: lake.Blob}
	bigint    = lake.Type{Kind: lake.BigInt}
	timestamp = lake.Type{Kind: lake.Timestamp}
	bigints   = lake.Type{Kind: lake.List, Elem: &bigint}
)

var functions = []lake.Function{
	{Name: "crc32", Params: []lake.Type{text}, Result: lake.BigInt, Call: callCRC32},
	{Name: "murmur_hash3_32", Params: []lake.Type{text}, Variadic: true, Result: lake.Integer, Call: callMurmur},
	{Name: "xx_hash3_64", Params: []lake.Type{text}, Variadic: true, Result: lake.BigInt, Call: callXX64},
	{Name: "xx_hash3_128", Params: []lake.Type{text}, Variadic: true, Result: lake.HugeInt, Call: callXX128},
	{Name: "sha2", Params: []lake.Type{text, bigint}, Result: lake.Varchar, Call: callSHA2},
	{Name: "aes_encrypt", Params: []lake.Type{text, text}, Result: lake.Blob, Call: callEncrypt},
	{Name: "aes_decrypt", Params: []lake.Type{blob, text}, Result: lake.Varchar, Call: callDecrypt},
	{Name: "conv", Params: []lake.Type{text, bigint, bigint}, Result: lake.Varchar, Call: callConv},
	{Name: "ngram_search", Params: []lake.Type{text, text, bigint}, Result: lake.Double, Call: callNgram},
	{Name: "url_extract_host", Params: []lake.Type{text}, Result: lake.Varchar, Call: callHost},
	{Name: "date_format", Params: []lake.Type{timestamp, text}, Result: lake.Varchar, Call: callDateFormat},
	{Name: "jodatime_format", Params: []lake.Type{timestamp, text}, Result: lake.Varchar, Call: callJodaFormat},
	{Name: "str_to_date", Params: []lake.Type{text, text}, Result: lake.Timestamp, Call: callParseDate},
	{Name: "str_to_jodatime", Params: []lake.Type{text, text}, Result: lake.Timestamp, Call: callParseJoda},
	{Name: "convert_tz", Params: []lake.Type{timestamp, text, text}, Result: lake.Timestamp, Call: callConvertZone},
	{Name: "json_form", Params: []lake.Type{text}, Result: lake.Varchar, Call: callJSONForm},
	{Name: "json_text", Params: []lake.Type{text}, Result: lake.Varchar, Call: callJSONText},
	{Name: "json_pretty", Params: []lake.Type{text}, Result: lake.Varchar, Call: callJSONPretty},
	{Name: "json_set", Params: []lake.Type{text, text}, Variadic: true, Result: lake.Varchar, Call: callJSONSet},
	{Name: "json_remove", Params: []lake.Type{text, text}, Variadic: true, Result: lake.Varchar, Call: callJSONRemove},
	{Name: "quotient", Params: []lake.Type{{}, {}, bigint}, Result: lake.HugeInt, Call: callQuotient},
	{Name: "window_funnel", Params: []lake.Type{bigint, bigint, bigints, bigints}, Result: lake.Integer, Call: callFunnel},
}

// templates are Redshift's, called by its macros and rewrites.
var templates = []lake.Function{
	{Name: "redshift_quotient", Params: []lake.Type{{}, {}, bigint}, Result: lake.HugeInt, Call: callRedshiftQuotient},
	{Name: "redshift_to_char_time", Params: []lake.Type{timestamp, text}, Result: lake.Varchar, Call: callToCharTime},
	{Name: "redshift_to_char_number", Params: []lake.Type{text, text}, Result: lake.Varchar, Call: callToCharNumber},
	{Name: "redshift_parse_time", Params: []lake.Type{text, text}, Result: lake.Timestamp, Call: callParseTemplate},
	{Name: "redshift_parse_strict", Params: []lake.Type{text, text}, Result: lake.Timestamp, Call: callParseStrict},
	{Name: "redshift_to_number", Params: []lake.Type{text, text}, Result: lake.Varchar, Call: callToNumber},
}

// goNames are functions that a query may call by name, and what they take.
var goNames = map[string]lake.Function{}

// called are functions that macros and rewrites call.
var called = set("quotient window_funnel aes_decrypt json_form json_text json_pretty json_set json_remove")

func init() {
	for i := range functions {
		f := &functions[i]
		if !called[f.Name] {
			goNames[f.Name] = *f
		}
		f.Name = goPrefix + f.Name
	}
	goNames["ngram_search_case_insensitive"] = lake.Function{}
}

// goCall writes the call of a function of Go's with arguments of its types; it
// gives false if there is none.
func (w *writer) goCall(i int, name string, args []arg) bool {
	f, ok := goNames[name]
	if !ok || len(args) == 0 || len(args) != len(f.Params) && !(f.Variadic && len(args) > len(f.Params)) {
		return false
	}
	w.put(i, goPrefix+name+"(")
	for n, a := range args {
		if n > 0 {
			w.put(a.from, ", ")
		}
		switch f.Params[min(n, len(f.Params)-1)].Kind {
		case lake.Varchar:
			w.asText(a)
		case lake.Timestamp:
			w.time(a)
		default:
			w.put(i, "CAST(")
			w.arg(a)
			w.put(i, " AS BIGINT)")
		}
	}
	w.put(i, ")")
	return true
}

// ngramFolded writes ngram_search_case_insensitive.
func (w *writer) ngramFolded(i int, args []arg) bool {
	if len(args) != 3 {
		return false
	}
	w.put(i, goPrefix+"ngram_search(")
	for _, a := range args[:2] {
		w.put(i, "lower(")
		w.asText(a)
		w.put(i, "), ")
	}
	return w.wrap(i, "CAST(", args[2:], " AS BIGINT))")
}

// decrypt writes aes_decrypt, which takes bytes: those of a call that gives
// bytes in StarRocks' strings are not made text before.
func (w *writer) decrypt(i int, args []arg) bool {
	if len(args) != 2 {
		return false
	}
	w.put(i, goPrefix+"aes_decrypt(")
	a := args[0]
	isCall := w.kind(a.from) == syntax.Word && w.is(a.from+1, "(") && w.match[a.from+1]+1 == a.to
	switch name := strings.ToLower(w.toks[a.from].Text); {
	case isCall && (name == "from_base64" || name == "unhex"):
		w.put(i, "TRY("+name+"(")
		w.asText(arg{a.from + 2, a.to - 1})
		w.put(i, "))")
	case isCall && name == "aes_encrypt":
		w.arg(a)
	default:
		w.wrap(i, "CAST(", args[:1], " AS BLOB)")
	}
	w.put(i, ", ")
	w.asText(args[1])
	w.put(i, ")")
	return true
}
