package doctor

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ocellus-vision/ocellus/kernels"
)

const (
	width  = 80 // columns of the text form
	indent = 12 // of everything but the headings
)

// page is the text form being written.
type page struct{ strings.Builder }

// item writes a heading and a text beside it, wrapped between words.
func (p *page) item(heading, text string) {
	line := fmt.Sprintf("%-*s", indent, heading)
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(line)
		if n > indent && n+1+utf8.RuneCountInString(word) > width {
			p.WriteString(strings.TrimRight(line, " ") + "\n")
			line = strings.Repeat(" ", indent)
			n = indent
		}
		if n > indent {
			line += " "
		}
		line += word
	}
	p.WriteString(strings.TrimRight(line, " ") + "\n")
}

func (p *page) blank() { p.WriteByte('\n') }

// Text returns the report as a table of at most 80 columns.
func (r Report) Text() string {
	p := new(page)
	p.item("ocellus", r.Program.String())
	p.blank()
	r.machine(p)
	p.blank()
	r.kernels(p)
	p.blank()
	r.speed(p)
	p.blank()
	r.beside(p)
	return p.String()
}

func (r Report) machine(p *page) {
	cores := fmt.Sprintf("%d cores", r.CPU.Cores)
	if r.CPU.Cores == 1 {
		cores = "1 core"
	}
	if r.CPU.MaxProcs != r.CPU.Cores {
		cores += fmt.Sprintf(" (%d in use)", r.CPU.MaxProcs)
	}
	p.item("CPU", r.CPU.Name+", "+cores)
	var caches []string
	for _, c := range []struct {
		name string
		size int
	}{{"L1d", r.CPU.L1DBytes}, {"L2", r.CPU.L2Bytes}, {"L3", r.CPU.L3Bytes}} {
		if c.size > 0 {
			caches = append(caches, c.name+" "+size(uint64(c.size)))
		}
	}
	if len(caches) > 0 {
		p.item("caches", strings.Join(caches, ", "))
	}
	if len(r.CPU.Features) > 0 {
		p.item("features", strings.Join(r.CPU.Features, " "))
	}
	var clock []string
	if r.System.MHz > 0 {
		clock = append(clock, fmt.Sprintf("%.0f of %.0f MHz", r.System.MHz, r.System.MaxMHz))
	}
	if r.System.Governor != "" {
		clock = append(clock, "governor "+r.System.Governor)
	}
	if r.System.Celsius > 0 {
		clock = append(clock, fmt.Sprintf("%.0f °C", r.System.Celsius))
	}
	if clock = append(clock, r.System.Notes...); len(clock) > 0 {
		p.item("clock", strings.Join(clock, ", "))
	}
	pages := "pages of " + size(uint64(r.Memory.PageBytes))
	if r.Memory.LargePageBytes > 0 {
		pages += ", of " + size(uint64(r.Memory.LargePageBytes)) + " for networks"
	}
	p.item("memory", join(sizeOf(r.Memory.TotalBytes, ""), sizeOf(r.Memory.AvailableBytes, " available"), pages))
	kernel := ""
	if r.System.Kernel != "" {
		kernel = "kernel " + r.System.Kernel
	}
	p.item("system", join(r.System.OS, kernel, r.System.Board))
}

func (r Report) kernels(p *page) {
	p.item("kernels", fmt.Sprintf("%s (available: %s)", r.ISA.Chosen, strings.Join(r.ISA.Available, " ")))
	if r.ISA.Warning != "" {
		p.item("", "warning: "+r.ISA.Warning)
	}
	for _, k := range r.Kernels {
		state := "ok"
		switch {
		case k.SelfTest == "none" && k.ISA == kernels.Generic.String():
			state = "plain Go"
		case k.SelfTest == "none":
			state = "not compared"
		case k.SelfTest == "replaced":
			state = "REPLACED: " + strings.Join(k.Differed, ", ") + " differed from the plain definition"
		}
		p.item(fmt.Sprintf("  %-*s%-8s", indent-2, k.Family, k.ISA), state)
	}
}

func (r Report) speed(p *page) {
	p.item("speed", "multiply-adds on one core")
	for _, k := range r.Peaks {
		fmt.Fprintf(p, "  %-*s%8.1f GFLOP/s\n", indent-2, k.ISA, k.GFLOPS)
	}
	p.item("", "memory")
	for _, b := range r.Memory.Bandwidth {
		threads := fmt.Sprintf("%d threads", b.Threads)
		if b.Threads == 1 {
			threads = "1 thread"
		}
		fmt.Fprintf(p, "  %-*s%8.1f GB/s read %8.1f GB/s copy (in and out)\n", indent-2, threads, b.Read, b.Copy)
	}
}

func (r Report) beside(p *page) {
	p.item("helpers", "none of them is needed for what the program does alone")
	for _, h := range r.Helpers {
		if h.Found {
			p.item("  "+h.Name, "found: "+h.Detail)
			continue
		}
		p.item("  "+h.Name, join("missing", h.Detail)+"; for "+h.Needed)
		p.item("", "-> "+h.Hint)
	}
	for _, c := range r.Cameras {
		p.item("  camera", join(c.Path, c.Name, c.Error))
	}
	if len(r.Cameras) == 0 {
		p.item("  cameras", "none found as /dev/video*")
		p.item("", "-> connect one; in a container, pass the device through")
	}
}

// size writes a number of bytes in the largest binary unit that it fills.
func size(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	x, u := float64(n), 0
	for x >= 1024 && u < len(units)-1 {
		x /= 1024
		u++
	}
	if x == float64(int(x)) {
		return fmt.Sprintf("%.0f %s", x, units[u])
	}
	return fmt.Sprintf("%.1f %s", x, units[u])
}

func sizeOf(n uint64, what string) string {
	if n == 0 {
		return ""
	}
	return size(n) + what
}
