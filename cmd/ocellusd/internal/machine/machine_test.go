package machine

import (
	"os"
	"path/filepath"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestMemory(t *testing.T) {
	dir := t.TempDir()
	if m := readMemory(dir); m != (Memory{}) {
		t.Errorf("of a system that tells nothing: %+v", m)
	}
	write(t, dir+"/self/status", "Name:\tocellusd\nVmRSS:\t  51200 kB\n")
	write(t, dir+"/meminfo", "MemTotal:  1024 kB\nMemFree: 1 kB\nMemAvailable:    x kB\n")
	if m := readMemory(dir); m != (Memory{Process: 51200 << 10, Total: 1 << 20}) {
		t.Errorf("%+v", m)
	}
}

func TestTemperature(t *testing.T) {
	dir := t.TempDir()
	if _, ok := temperature(dir); ok {
		t.Error("there is no sensor")
	}
	write(t, dir+"/thermal_zone0/temp", "48250\n")
	write(t, dir+"/thermal_zone1/temp", "0\n")
	write(t, dir+"/thermal_zone2/temp", "51500\n")
	write(t, dir+"/thermal_zone3/temp", "none\n")
	if v, ok := temperature(dir); !ok || v != 51.5 {
		t.Errorf("%g, %v", v, ok)
	}
}
