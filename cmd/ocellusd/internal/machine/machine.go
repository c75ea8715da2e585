// Package machine says how the computer does: its memory and how warm it is.
package machine

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory is in bytes; what cannot be told is 0.
type Memory struct {
	Process   int64 `json:"process"` // resident, of this program
	Total     int64 `json:"total"`
	Available int64 `json:"available"`
}

// ReadMemory looks at memory.
func ReadMemory() Memory { return readMemory("/proc") }

func readMemory(proc string) Memory {
	var m Memory
	m.Process = field(filepath.Join(proc, "self", "status"), "VmRSS:")
	m.Total = field(filepath.Join(proc, "meminfo"), "MemTotal:")
	m.Available = field(filepath.Join(proc, "meminfo"), "MemAvailable:")
	return m
}

// field returns the bytes of a line such as "VmRSS:  123 kB".
func field(file, name string) int64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if w := strings.Fields(s.Text()); len(w) == 3 && w[0] == name && w[2] == "kB" {
			n, err := strconv.ParseInt(w[1], 10, 53)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// Temperature returns the greatest temperature that a sensor tells, in degrees Celsius; false where there is none.
func Temperature() (float64, bool) { return temperature("/sys/class/thermal") }

func temperature(dir string) (float64, bool) {
	files, err := filepath.Glob(filepath.Join(dir, "thermal_zone*", "temp"))
	if err != nil {
		return 0, false
	}
	most, any := 0.0, false
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 32)
		// Sensors that are off say 0 or nonsense.
		if v := float64(n) / 1000; err == nil && v > 0 && v < 200 && (!any || v > most) {
			most, any = v, true
		}
	}
	return most, any
}
