//go:build !linux

package view

import "os"

// sizeOf knows no terminals on this system.
func sizeOf(*os.File) (Size, bool) { return Size{}, false }

func knowsSixels(in, out *os.File) bool { return false }
