package doctor

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"github.com/ocellus-vision/ocellus/internal/pages"
)

// System is the machine and its operating system.
type System struct {
	OS       string   `json:"os"`               // name and version of the distribution
	Kernel   string   `json:"kernel,omitempty"` // release of the kernel
	Board    string   `json:"board,omitempty"`  // as firmware names it
	Governor string   `json:"governor,omitempty"`
	MaxMHz   float64  `json:"max_mhz,omitempty"`
	MHz      float64  `json:"mhz,omitempty"`     // of the first core, now
	Celsius  float64  `json:"celsius,omitempty"` // of the hottest zone
	Notes    []string `json:"notes"`             // what may slow the machine down
}

// CPU is the processor.
type CPU struct {
	Name     string   `json:"name"`
	Cores    int      `json:"cores"`     // logical, as the system counts them
	MaxProcs int      `json:"max_procs"` // that this process may use at once
	L1DBytes int      `json:"l1d_bytes,omitempty"`
	L2Bytes  int      `json:"l2_bytes,omitempty"`
	L3Bytes  int      `json:"l3_bytes,omitempty"`
	Features []string `json:"features"` // vector extensions
}

// vectorFeatures are the extensions worth naming.
var vectorFeatures = []cpuid.FeatureID{
	cpuid.SSE42, cpuid.AVX, cpuid.AVX2, cpuid.FMA3, cpuid.F16C, cpuid.AVXVNNI,
	cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512VNNI, cpuid.AVX512BF16, cpuid.AVX512FP16,
	cpuid.AMXINT8, cpuid.AMXBF16,
	cpuid.ASIMD, cpuid.ASIMDRDM, cpuid.ASIMDDP, cpuid.ASIMDHP, cpuid.FPHP, cpuid.SVE,
}

func cpu() CPU {
	c := CPU{
		Name: cpuid.CPU.BrandName, Cores: runtime.NumCPU(), MaxProcs: runtime.GOMAXPROCS(0),
		L1DBytes: max(0, cpuid.CPU.Cache.L1D), L2Bytes: max(0, cpuid.CPU.Cache.L2), L3Bytes: max(0, cpuid.CPU.Cache.L3),
		Features: []string{},
	}
	info := readText("/proc/cpuinfo")
	for _, key := range []string{"model name", "Hardware", "uarch"} {
		if c.Name == "" {
			c.Name = colonField(info, key)
		}
	}
	if c.Name == "" {
		c.Name = runtime.GOARCH
	}
	for _, f := range vectorFeatures {
		if cpuid.CPU.Supports(f) {
			c.Features = append(c.Features, strings.ToLower(f.String()))
		}
	}
	if len(c.Features) == 0 { // cpuid does not know this architecture
		for _, key := range []string{"Features", "isa"} {
			c.Features = append(c.Features, strings.Fields(colonField(info, key))...)
		}
	}
	return c
}

func system() System {
	s := System{OS: runtime.GOOS, Kernel: readText("/proc/sys/kernel/osrelease"), Notes: []string{}}
	if name := shellField(readText("/etc/os-release"), "PRETTY_NAME"); name != "" {
		s.OS = name
	}
	for _, path := range []string{"/proc/device-tree/model", "/sys/class/dmi/id/product_name"} {
		if s.Board == "" {
			s.Board = strings.Trim(readText(path), "\x00 ")
		}
	}
	const freq = "/sys/devices/system/cpu/cpu0/cpufreq/"
	s.Governor = readText(freq + "scaling_governor")
	s.MHz = readNumber(freq+"scaling_cur_freq") / 1000
	s.MaxMHz = readNumber(freq+"cpuinfo_max_freq") / 1000
	if s.Governor == "powersave" && !strings.Contains(readText(freq+"scaling_driver"), "pstate") {
		s.Notes = append(s.Notes, "the powersave governor holds the clock at its lowest")
	}
	zones, _ := filepath.Glob("/sys/class/thermal/thermal_zone*/temp")
	for _, z := range zones {
		s.Celsius = max(s.Celsius, readNumber(z)/1000)
	}
	if s.Celsius >= 80 {
		s.Notes = append(s.Notes, "hot: the clock may be held down")
	}
	s.Notes = append(s.Notes, throttleNotes(readText("/sys/devices/platform/soc/soc:firmware/get_throttled"))...)
	return s
}

// throttleNotes explains the bits that a Raspberry Pi's firmware reports, a hexadecimal number.
func throttleNotes(hex string) []string {
	bits, err := strconv.ParseUint(strings.TrimPrefix(hex, "0x"), 16, 64)
	if err != nil {
		return nil
	}
	var notes []string
	for i, what := range []string{"the supply voltage is too low", "the clock is capped", "the clock is throttled", "the soft temperature limit is reached"} {
		switch {
		case bits>>i&1 != 0:
			notes = append(notes, what)
		case bits>>(16+i)&1 != 0:
			notes = append(notes, what+" (earlier)")
		}
	}
	return notes
}

func memory() Memory {
	info := readText("/proc/meminfo")
	kib := func(key string) uint64 {
		n, _ := strconv.ParseUint(strings.TrimSuffix(colonField(info, key), " kB"), 10, 64)
		return n << 10
	}
	return Memory{TotalBytes: kib("MemTotal"), AvailableBytes: kib("MemAvailable"), PageBytes: os.Getpagesize(), LargePageBytes: pages.Large(), Bandwidth: []Bandwidth{}}
}

// readText returns a small file of the system without the space around it, "" where it cannot be read.
func readText(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func readNumber(path string) float64 {
	n, _ := strconv.ParseFloat(readText(path), 64)
	return n
}

// colonField returns the value of the first line "key : value".
func colonField(text, key string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// shellField returns the value of the first line key=value, without its quotes.
func shellField(text, key string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && k == key {
			return strings.Trim(v, `"'`)
		}
	}
	return ""
}
