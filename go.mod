module github.com/ocellus-vision/ocellus

go 1.26

require (
	github.com/goccy/go-yaml v1.19.2
	github.com/klauspost/cpuid/v2 v2.3.0
	github.com/spf13/cobra v1.10.2
	gocv.io/x/gocv v0.43.0
	golang.org/x/image v0.32.0
	golang.org/x/sys v0.30.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	golang.org/x/text v0.30.0 // indirect
)
