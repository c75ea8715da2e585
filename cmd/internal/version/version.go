// Package version says what a program was built from.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Info is what the Go linker recorded in the running program.
type Info struct {
	Version  string   `json:"version"`            // of the module, "devel" for a build from a working tree without version control
	Revision string   `json:"revision,omitempty"` // of the working tree
	Modified bool     `json:"modified,omitempty"` // the working tree had changes
	Time     string   `json:"time,omitempty"`     // of the revision, RFC 3339
	Go       string   `json:"go"`
	OS       string   `json:"os"`
	Arch     string   `json:"arch"`
	Tags     []string `json:"tags"` // build tags
	CGO      bool     `json:"cgo"`
}

// Get reads the record of the running program.
func Get() Info {
	info := Info{Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Tags: []string{}}
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	if v := strings.Trim(b.Main.Version, "()"); v != "" {
		info.Version = v
	}
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Revision = s.Value
		case "vcs.modified":
			info.Modified = s.Value == "true"
		case "vcs.time":
			info.Time = s.Value
		case "CGO_ENABLED":
			info.CGO = s.Value == "1"
		case "-tags":
			info.Tags = strings.FieldsFunc(s.Value, func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	return info
}

// String returns the record on one line.
func (i Info) String() string {
	var b strings.Builder
	b.WriteString(i.Version)
	// A pseudo-version already ends in the revision.
	if len(i.Revision) >= 12 && !strings.Contains(i.Version, i.Revision[:12]) {
		fmt.Fprintf(&b, " (%s", i.Revision[:12])
		if i.Modified {
			b.WriteString(", modified")
		}
		b.WriteString(")")
	}
	fmt.Fprintf(&b, " %s %s/%s", i.Go, i.OS, i.Arch)
	if i.CGO {
		b.WriteString(" cgo")
	}
	if len(i.Tags) > 0 {
		b.WriteString(" tags: " + strings.Join(i.Tags, ","))
	}
	return b.String()
}

// HasTag says whether the program was built with a build tag.
func (i Info) HasTag(tag string) bool {
	for _, t := range i.Tags {
		if t == tag {
			return true
		}
	}
	return false
}
