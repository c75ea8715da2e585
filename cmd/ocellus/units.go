package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// short writes a number with three digits and K, M, G or T for the thousands: 25.6M.
func short(n int64) string {
	if n < 1000 && n > -1000 {
		return strconv.FormatInt(n, 10)
	}
	return scaled(float64(n), 1000, []string{"", "K", "M", "G", "T", "P", "E"})
}

// bytesText writes a number of bytes: "12.3 MB", of 2²⁰ bytes.
func bytesText(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	return scaled(float64(n), 1024, []string{" B", " KB", " MB", " GB", " TB", " PB", " EB"})
}

// scaled writes v with three digits and the unit in which it has one to three (or four) before the point.
func scaled(v, step float64, units []string) string {
	u := 0
	for v >= step-0.5 && u < len(units)-1 {
		v /= step
		u++
	}
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f%s", v, units[u])
	case v < 99.95:
		return fmt.Sprintf("%.1f%s", v, units[u])
	}
	return fmt.Sprintf("%.0f%s", v, units[u])
}

// msText writes milliseconds: "1.234 ms", "12.34 ms".
func msText(v float64) string {
	switch {
	case v < 9.9995:
		return fmt.Sprintf("%.3f ms", v)
	case v < 99.995:
		return fmt.Sprintf("%.2f ms", v)
	}
	return fmt.Sprintf("%.1f ms", v)
}

// plural writes "1 thread", "2 threads".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// parseBytes reads a number of bytes as bytesText writes it: "512MB", "1.5 GB", "4096".
func parseBytes(s string) (int64, error) {
	text := strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	text = strings.TrimSuffix(text, "B")
	unit := int64(1)
	for i, u := range []string{"K", "M", "G", "T"} {
		if rest, ok := strings.CutSuffix(text, u); ok {
			text, unit = rest, 1<<(10*(i+1))
			break
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0) || v*float64(unit) >= 1<<62 {
		return 0, errors.New("a size such as 512MB or 2GB is meant")
	}
	return int64(v * float64(unit)), nil
}
