//go:build !linux

package pages

func granted() grant { return grant{} }

func advise([]byte) {}
