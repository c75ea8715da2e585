// Package doctor examines the machine that the program runs on: what the CPU can do, which kernels were chosen and whether
// they are right, how fast a core and memory are, and which helpers (ffmpeg, OpenCV, OpenCL, cameras) are there.
package doctor

import (
	"math"
	"runtime"

	"github.com/ocellus-vision/ocellus/cmd/internal/version"
	"github.com/ocellus-vision/ocellus/kernels"
)

// Report is what was found. OK means that every family of kernels runs on the instruction set chosen for it.
type Report struct {
	OK      bool         `json:"ok"`
	Program version.Info `json:"program"`
	System  System       `json:"system"`
	CPU     CPU          `json:"cpu"`
	ISA     ISA          `json:"isa"`
	Kernels []Kernel     `json:"kernels"`
	Peaks   []Peak       `json:"peaks"`
	Memory  Memory       `json:"memory"`
	Helpers []Helper     `json:"helpers"`
	Cameras []Camera     `json:"cameras"`
}

// ISA is the choice of instruction set at start.
type ISA struct {
	Chosen    string   `json:"chosen"`
	Available []string `json:"available"`
	Warning   string   `json:"warning,omitempty"` // what was wrong with OCELLUS_ISA
}

// Kernel is one family of kernels.
type Kernel struct {
	Family   string   `json:"family"`
	ISA      string   `json:"isa"`      // in use
	SelfTest string   `json:"selftest"` // passed, replaced, or none where there was nothing to compare
	Differed []string `json:"differed"` // instruction sets whose result differed from the plain definition
}

// Peak is the multiply-add rate of one core on one instruction set.
type Peak struct {
	ISA    string  `json:"isa"`
	GFLOPS float64 `json:"gflops"`
}

// Memory is the machine's memory and its measured speed.
type Memory struct {
	TotalBytes     uint64      `json:"total_bytes,omitempty"`
	AvailableBytes uint64      `json:"available_bytes,omitempty"`
	PageBytes      int         `json:"page_bytes"`
	LargePageBytes int         `json:"large_page_bytes"` // of the pages for weights and values of networks; 0 where these are as others
	Bandwidth      []Bandwidth `json:"bandwidth"`
}

// Bandwidth is the speed of memory for a number of threads, in 10⁹ bytes a second. A copied byte counts twice.
type Bandwidth struct {
	Threads int     `json:"threads"`
	Read    float64 `json:"read_gb_s"`
	Copy    float64 `json:"copy_gb_s"`
}

// Helper is a program or library that some features need.
type Helper struct {
	Name   string `json:"name"`
	Found  bool   `json:"found"`
	Detail string `json:"detail,omitempty"` // where, which version
	Needed string `json:"needed_for"`
	Hint   string `json:"hint,omitempty"` // how to get it where it is missing
}

// Camera is a capture device.
type Camera struct {
	Path  string `json:"path"`
	Name  string `json:"name,omitempty"`
	Error string `json:"error,omitempty"` // why it could not be asked
}

// Examine looks at the machine and measures it, which takes about a second.
func Examine() Report {
	r := Report{
		Program: version.Get(),
		System:  system(),
		CPU:     cpu(),
		ISA:     ISA{Chosen: kernels.Best().String(), Warning: kernels.Warning()},
		Helpers: helpers(),
		Cameras: cameras(),
	}
	r.Kernels, r.OK = families(kernels.SelfTest(), kernels.Active)
	for _, isa := range kernels.Available() {
		r.ISA.Available = append(r.ISA.Available, isa.String())
		r.Peaks = append(r.Peaks, Peak{isa.String(), round(kernels.FMAPeak(isa))})
	}
	r.Memory = memory()
	size := bufferSize(r.CPU.L3Bytes, r.Memory.AvailableBytes)
	all := runtime.GOMAXPROCS(0)
	for threads := 1; threads == 1 || threads == all; threads += max(1, all-1) {
		read, copied := kernels.Bandwidth(kernels.NewTeam(threads), size)
		r.Memory.Bandwidth = append(r.Memory.Bandwidth, Bandwidth{threads, round(read), round(copied)})
	}
	return r
}

// families pairs the outcome of the self-test with what each family runs on, and says whether none was replaced.
func families(results []kernels.CheckResult, active func(kernels.Op) kernels.ISA) (out []Kernel, ok bool) {
	ok = true
	for op := range kernels.NumOps {
		k := Kernel{Family: op.String(), ISA: active(op).String(), SelfTest: "none", Differed: []string{}}
		for _, c := range results {
			switch {
			case c.Op != op:
			case !c.Passed:
				k.Differed = append(k.Differed, c.Tried.String())
			case k.SelfTest == "none" && c.Tried != kernels.Generic:
				k.SelfTest = "passed"
			}
		}
		if len(k.Differed) > 0 {
			k.SelfTest = "replaced"
			ok = false
		}
		out = append(out, k)
	}
	return out, ok
}

// bufferSize returns how much memory to measure bandwidth on: well over the last cache, well under what is free.
func bufferSize(cache int, free uint64) int {
	const least, most = 64 << 20, 512 << 20
	size := min(max(4*cache, least), most)
	if free > 0 && uint64(size) > free/4 {
		size = int(free / 4)
	}
	return size
}

func round(x float64) float64 { return math.Round(x*10) / 10 }
