package mjpeg

import (
	"fmt"
	"strings"
	"testing"
)

// TestDigest computes the examples of RFC 7616, 3.9.1, and of RFC 2617, 3.5, with and without a quality of protection.
func TestDigest(t *testing.T) {
	newer := map[string]string{"realm": "http-auth@example.org", "qop": "auth, auth-int", "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"}
	older := map[string]string{"realm": "testrealm@host.com", "qop": "auth", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "opaque": "5ccc069c403ebaf9f0171e9517f40e41"}
	for _, c := range []struct {
		params                              map[string]string
		algorithm, password, cnonce, answer string
	}{
		{newer, "MD5", "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"},
		{newer, "SHA-256", "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
		{older, "", "Circle Of Life", "0a4f113b", "6629fae49393a05397450978507c4ef1"},
	} {
		params := map[string]string{"algorithm": c.algorithm}
		for k, v := range c.params {
			params[k] = v
		}
		header, ok := digest(params, "Mufasa", c.password, "GET", "/dir/index.html", c.cnonce)
		got := parseChallenges([]string{header})
		if !ok || len(got) != 1 || got[0].scheme != "digest" {
			t.Fatalf("%s: %v", header, ok)
		}
		for k, want := range map[string]string{"response": c.answer, "username": "Mufasa", "realm": params["realm"], "nonce": params["nonce"], "uri": "/dir/index.html", "qop": "auth", "nc": "00000001", "cnonce": c.cnonce, "opaque": params["opaque"], "algorithm": c.algorithm} {
			if got[0].params[k] != want {
				t.Errorf("%s: %s is %q, want %q", c.algorithm, k, got[0].params[k], want)
			}
		}
	}
	delete(older, "qop") // the errata of RFC 2069 give the answer
	header, _ := digest(older, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "")
	if p := parseChallenges([]string{header})[0].params; p["response"] != "670fd8c2df070c60b045671b8b24ff02" || p["nc"] != "" {
		t.Errorf("without a quality of protection: %v", p)
	}
	for _, params := range []map[string]string{{"algorithm": "SHA-1"}, {"qop": "auth-int"}} {
		if header, ok := digest(params, "u", "p", "GET", "/", "c"); ok {
			t.Errorf("%v is answered: %s", params, header)
		}
	}
}

func TestChallenges(t *testing.T) {
	for header, want := range map[string]string{
		`Basic realm="a \"b\", c"`:                          `[{basic map[realm:a "b", c]}]`,
		`Digest realm=x, Nonce="1",qop="auth",, stale=TRUE`: `[{digest map[nonce:1 qop:auth realm:x stale:TRUE]}]`,
		`Digest realm="x" , nonce = "2", Basic realm="y"`:   `[{digest map[nonce:2 realm:x]} {basic map[realm:y]}]`,
		`Negotiate YWJj==, Basic`:                           `[{negotiate map[]} {basic map[]}]`,
		`"", =`:                                             `[]`,
		"":                                                  `[]`,
	} {
		got := parseChallenges([]string{header})
		for _, c := range got {
			delete(c.params, "ywjj")
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", header, got, want)
		}
	}
	// The safest scheme that is known wins, in whatever order they come.
	for _, challenges := range [][]string{{`Basic realm="x"`, `Digest realm="x", nonce="1"`}, {`Digest realm="x", nonce="1", algorithm=SHA-512-256`, `Digest realm="x", nonce="1", Basic realm="x"`}} {
		if header, err := authorization(challenges, "u", "p", "GET", "/"); err != nil || !strings.HasPrefix(header, "Digest ") {
			t.Errorf("%q: %s, %v", challenges, header, err)
		}
	}
	if header, err := authorization([]string{`Basic realm="x"`}, "Aladdin", "open sesame", "GET", "/"); err != nil || header != "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" { // RFC 7617, 2
		t.Errorf("%s, %v", header, err)
	}
	if _, err := authorization([]string{"NTLM"}, "u", "p", "GET", "/"); err == nil {
		t.Error("NTLM is answered")
	}
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Digest realm="x", nonce="1", algorithm=MD5-sess, qop="auth"`, "user", `pass"word`)
	f.Fuzz(func(t *testing.T, challenge, user, password string) {
		header, err := authorization([]string{challenge}, user, password, "GET", "/")
		if err == nil && !strings.HasPrefix(header, "Digest ") && !strings.HasPrefix(header, "Basic ") {
			t.Errorf("%q", header)
		}
	})
}
