package data

// Files names where examples are.
type Files struct {
	Images   string   `yaml:"images"`   // idx file; or the folder of annotated pictures, where it is not that of the annotations
	Labels   string   `yaml:"labels"`   // idx file
	Pictures string   `yaml:"pictures"` // folder
	Boxes    string   `yaml:"boxes"`    // annotations: a .jsonl or a COCO file, or a folder of PASCAL VOC
	Frames   []string `yaml:"frames"`   // of landmarks: folders of pictures that portraits are pasted on
	People   string   `yaml:"people"`   // of faces and landmarks: a file that names people, one a line; without it all are taken
	Match    []string `yaml:"match"`    // patterns of the names of pictures that are taken; without any, all that are not held out
	Without  string   `yaml:"without"`  // of faces and landmarks: a file that names people, one a line, who are left out
	Pairs    string   `yaml:"pairs"`    // of faces: a file of pairs as LFW's, to be told apart
}
