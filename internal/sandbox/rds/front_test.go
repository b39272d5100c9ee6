package rds

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestAccountsForTokensGetThePasswordOfTheFront(t *testing.T) {
	hash := func(user string) string { return "*" + user }
	for text, want := range map[string]string{
		"CREATE USER 'u' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';":                        "CREATE USER 'u' IDENTIFIED BY PASSWORD '*u';",
		"CREATE USER 'u'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL":         "CREATE USER 'u'@'%' IDENTIFIED BY PASSWORD '*u' REQUIRE SSL",
		"alter user u identified via AWSAuthenticationPlugin using 'RDS'":                          "alter user u IDENTIFIED BY PASSWORD '*u'",
		"CREATE USER a IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS', `b` IDENTIFIED BY 'pass'": "CREATE USER a IDENTIFIED BY PASSWORD '*a', `b` IDENTIFIED BY 'pass'",
		// RDS knows the plugin and its word in these capitals only; the server refuses what stays.
		"CREATE USER 'u' IDENTIFIED WITH awsauthenticationplugin AS 'RDS'": "CREATE USER 'u' IDENTIFIED WITH awsauthenticationplugin AS 'RDS'",
		"CREATE USER 'u' IDENTIFIED WITH AWSAuthenticationPlugin AS 'rds'": "CREATE USER 'u' IDENTIFIED WITH AWSAuthenticationPlugin AS 'rds'",
		"SELECT 'IDENTIFIED WITH AWSAuthenticationPlugin AS ''RDS'''":      "SELECT 'IDENTIFIED WITH AWSAuthenticationPlugin AS ''RDS'''",
	} {
		if got := withAccounts(text, hash); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", text, got, want)
		}
	}
}

// testGreeting is a protocol 10 greeting (MySQL, "Protocol::HandshakeV10").
func testGreeting() []byte {
	b := append([]byte{10}, "10.11.8-MariaDB\x00"...)
	b = append(b, 7, 0, 0, 0)
	b = append(b, "saltsalt\x00"...)
	b = append(b, 0xfe, 0xf7, 45, 2, 0, 0xff, 0x81, 21)
	b = append(b, make([]byte, 10)...)
	return append(b, "saltsaltsalt\x00mysql_native_password\x00"...)
}

func testHello() []byte {
	b := binary.LittleEndian.AppendUint32(nil, capConnectWithDB|capSecure|capPluginAuth)
	b = append(b, make([]byte, 28)...)
	return append(b, "user\x00\x03abcshop\x00mysql_native_password\x00"...)
}

func TestLoginIsRewrittenWithAnotherReply(t *testing.T) {
	h, err := parseHello(testHello())
	if err != nil || h.user != "user" || string(h.database) != "shop\x00" {
		t.Fatalf("%+v, %v", h, err)
	}
	again, err := parseHello(h.with([]byte("0123456789")))
	if err != nil || again.user != "user" || string(again.database) != "shop\x00" || !bytes.Contains(h.with([]byte("0123456789")), []byte("\x0a0123456789shop\x00")) {
		t.Errorf("%+v, %v", again, err)
	}
	g, err := parseGreeting(testGreeting())
	if err != nil || string(g.salt) != "saltsaltsaltsaltsalt" {
		t.Errorf("%+v, %v", g, err)
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(testGreeting())
	f.Add(testHello())
	f.Add([]byte("\xfemysql_native_password\x00salt\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := parseGreeting(b); err == nil {
			if again, err := parseGreeting(g.forClient()); err != nil || !bytes.Equal(again.salt, g.salt) {
				t.Errorf("the greeting for the client is not the server's: %v", err)
			}
		}
		if h, err := parseHello(b); err == nil {
			again, err := parseHello(h.with([]byte("reply")))
			if err != nil || again.user != h.user || !bytes.Equal(again.database, h.database) {
				t.Errorf("rewritten, %+v is %+v, %v", h, again, err)
			}
		}
		authSwitch(b)
	})
}

func FuzzStatement(f *testing.F) {
	f.Add("CREATE USER 'u'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'")
	f.Add("IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'")
	f.Fuzz(func(t *testing.T, text string) { withAccounts(text, func(user string) string { return "*" }) })
}

func FuzzStartup(f *testing.F) {
	packet := append([]byte{0, 0, 0, 0, 0, 3, 0, 0}, "user\x00u\x00database\x00d\x00\x00"...)
	binary.BigEndian.PutUint32(packet, uint32(len(packet)))
	f.Add(packet)
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, _, err := readStartup(bytes.NewReader(b)); err == nil {
			parameters(p)
		}
	})
}
