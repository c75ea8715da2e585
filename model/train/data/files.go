package data

// Files names where examples are.
type Files struct {
	Images   string `yaml:"images"`   // idx file
	Labels   string `yaml:"labels"`   // idx file
	Pictures string `yaml:"pictures"` // folder
}
