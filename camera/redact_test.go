package camera

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"rtsp://ada:hunter2@cam.example:554/live":                                  "rtsp://cam.example:554/live",
		"rtsp://cam.example:554/live@2":                                            "rtsp://cam.example:554/live@2",
		"http://ada:a@b@cam/x":                                                     "http://cam/x",
		"http://ada:hunter/2?@cam/x":                                               "http://cam/x",
		"http://ada@cam/x":                                                         "http://cam/x",
		"http://cam/v.cgi?user=ada&pwd=hunter2":                                    "http://cam/v.cgi?user=ada&pwd=***",
		"http://cam/v.cgi?access_token=1;loginPassword=2&fps=5":                    "http://cam/v.cgi?access_token=***;loginPassword=***&fps=5",
		"http://[:hunter2]#@cam/x":                                                 "http://cam/x",
		"http://[fe80::1]:80/x":                                                    "http://[fe80::1]:80/x",
		"[tcp] Failed: rtsp://u:hunter2@a/b: refused; then 'http://u:hunter2@c/d'": "[tcp] Failed: rtsp://a/b: refused; then 'http://c/d'",
		"no URL, 3 @ 4":                                                            "no URL, 3 @ 4",
		"":                                                                         "",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("rtsp", "ada", "hunter2", "cam:554/live")
	f.Add("rtsp", "[", "]#", "")
	f.Fuzz(func(t *testing.T, scheme, user, password, host string) {
		const special = " \t\r\n\"'<>"
		if strings.ContainsAny(user+password+host+scheme, special+"@:/") || strings.ContainsAny(user, "?#") || password == "" {
			return
		}
		const mark = "7c1f"
		if got := Redact(scheme + "://" + user + ":" + mark + password + "@" + host); strings.Contains(got, mark) && !strings.Contains(scheme+user+password+host, mark) {
			t.Errorf("%q", got)
		}
	})
}
