package mysql

// Capability flags of the handshake. Names and values: MySQL Internals
// Manual, "Capabilities Flags".
const (
	capLongPassword     = 1 << 0
	capFoundRows        = 1 << 1
	capLongFlag         = 1 << 2
	capConnectWithDB    = 1 << 3
	capProtocol41       = 1 << 9
	capInteractive      = 1 << 10
	capSSL              = 1 << 11
	capTransactions     = 1 << 13
	capSecureConnection = 1 << 15
	capMultiStatements  = 1 << 16
	capMultiResults     = 1 << 17
	capPSMultiResults   = 1 << 18
	capPluginAuth       = 1 << 19
	capConnectAttrs     = 1 << 20
	capLenencAuth       = 1 << 21
	capSessionTrack     = 1 << 23
	capDeprecateEOF     = 1 << 24
	capQueryAttributes  = 1 << 27
)

// offered is what the greeting promises. Compression and LOCAL INFILE are
// left out: the first costs more than it saves near the server, the second
// would let a statement read the client's files. FOUND_ROWS changes nothing
// here, since the engine always counts the rows that matched.
const offered uint32 = capLongPassword | capFoundRows | capLongFlag | capConnectWithDB | capProtocol41 |
	capInteractive | capSSL | capTransactions | capSecureConnection | capMultiStatements | capMultiResults |
	capPSMultiResults | capPluginAuth | capConnectAttrs | capLenencAuth | capSessionTrack | capDeprecateEOF |
	capQueryAttributes

// Status flags of OK and EOF packets.
const (
	statusInTransaction  = 1 << 0
	statusAutocommit     = 1 << 1
	statusMoreResults    = 1 << 3
	statusCursorExists   = 1 << 6
	statusLastRowSent    = 1 << 7
	statusSessionChanged = 1 << 14
)

// trackSchema is the kind of session change that tells the current database.
const trackSchema = 1

// Commands: the first byte of a client's packet once it is logged in.
const (
	comQuit            = 0x01
	comInitDB          = 0x02
	comQuery           = 0x03
	comFieldList       = 0x04
	comStatistics      = 0x09
	comProcessInfo     = 0x0a
	comProcessKill     = 0x0c
	comPing            = 0x0e
	comChangeUser      = 0x11
	comStmtPrepare     = 0x16
	comStmtExecute     = 0x17
	comStmtLongData    = 0x18
	comStmtClose       = 0x19
	comStmtReset       = 0x1a
	comSetOption       = 0x1b
	comStmtFetch       = 0x1c
	comResetConnection = 0x1f
)

// First bytes of the server's packets.
const (
	headOK         = 0x00
	headMoreAuth   = 0x01
	headNull       = 0xfb
	headEOF        = 0xfe
	headAuthSwitch = 0xfe
	headErr        = 0xff
)

// Column and parameter types.
const (
	typeDecimal    = 0x00
	typeTiny       = 0x01
	typeShort      = 0x02
	typeLong       = 0x03
	typeFloat      = 0x04
	typeDouble     = 0x05
	typeNull       = 0x06
	typeTimestamp  = 0x07
	typeLongLong   = 0x08
	typeInt24      = 0x09
	typeDate       = 0x0a
	typeTime       = 0x0b
	typeDateTime   = 0x0c
	typeYear       = 0x0d
	typeVarchar    = 0x0f
	typeBit        = 0x10
	typeJSON       = 0xf5
	typeNewDecimal = 0xf6
	typeEnum       = 0xf7
	typeSet        = 0xf8
	typeTinyBlob   = 0xf9
	typeMediumBlob = 0xfa
	typeLongBlob   = 0xfb
	typeBlob       = 0xfc
	typeVarString  = 0xfd
	typeString     = 0xfe
)

// Column flags.
const (
	flagBlob     = 1 << 4
	flagUnsigned = 1 << 5
	flagBinary   = 1 << 7
	flagNum      = 1 << 15
)

// Character sets of columns: all text travels as UTF-8.
const (
	charsetUTF8   = 33
	charsetBinary = 63
)
