// Package models keeps networks of others in the user's data folder: a catalogue of public ones, how they get there, and which of them
// stands for a default network.
package models

import (
	"path"
	"slices"

	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// Origin is the address below which the files of the catalogue lie.
const Origin = "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/"

// Entry is a public network. Two entries differ in Name, Path and SHA256.
type Entry struct {
	Name    string // as users call it
	About   string // one line
	Task    string // the name in model/zoo of the default network whose place it can take; ""
	Verb    string // of ocellus, that uses it
	Licence string // SPDX identifier
	Path    string // below Origin, or below a mirror
	Bytes   int64
	SHA256  string    // hexadecimal
	Card    card.Card // its decoder and how pictures are fed to it; what is left out is as the family is used to
}

// File is the name that the file has at its origin.
func (e *Entry) File() string { return path.Base(e.Path) }

// For returns the first network that can take the place of a default one.
func For(task string) (Entry, bool) {
	if i := slices.IndexFunc(Catalogue, func(e Entry) bool { return e.Task == task }); i >= 0 {
		return Catalogue[i], true
	}
	return Entry{}, false
}

// Find returns the entry of a name.
func Find(name string) (Entry, bool) {
	i := slices.IndexFunc(Catalogue, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return Catalogue[i], true
}

// Catalogue lists the public networks.
var Catalogue = slices.Concat(
	family(Entry{Name: "yunet", About: "faces with five landmarks", Task: zoo.FaceDetector, Verb: "face", Licence: "MIT",
		Path: "models/face_detection_yunet/face_detection_yunet_2023mar", Card: card.Card{Head: "yunet"}},
		file{232589, "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"},
		file{100416, "321aa5a6afabf7ecc46a3d06bfab2b579dc96eb5c3be7edd365fa04502ad9294"},
		file{122489, "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10"}),
	family(Entry{Name: "sface", About: "a vector of an aligned face", Task: zoo.FaceEmbedder, Verb: "face", Licence: "Apache-2.0",
		Path: "models/face_recognition_sface/face_recognition_sface_2021dec",
		Card: card.Card{Input: card.Input{Order: "rgb", Mean: []float64{0}, Std: []float64{1}}}},
		file{38696353, "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79"},
		file{9896933, "2b0e941e6f16cc048c20aee0c8e31f569118f65d702914540f7bfdc14048d78a"},
		file{10667852, "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee"}),
	family(Entry{Name: "yolox-s", About: "people and 79 other classes", Task: zoo.Pedestrian, Verb: "detect", Licence: "Apache-2.0",
		Path: "models/object_detection_yolox/object_detection_yolox_2022nov", Card: card.Card{Head: "yolox"}},
		file{35858002, "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063"},
		file{9079452, "01a3b0f400b30bc1e45230e991b2e499ab42622485a330021947333fbaf03935"},
		file{9744418, "dcaae0aaa2fea4167f89235ee340eb869d3707b25712218d4c7ce921ac90e2ba"}),
	family(Entry{Name: "nanodet", About: "people and 79 other classes", Task: zoo.Pedestrian, Verb: "detect", Licence: "Apache-2.0",
		Path: "models/object_detection_nanodet/object_detection_nanodet_2022nov", Card: card.Card{Head: "nanodet"}},
		file{3800954, "4b82da9944b88577175ee23a459dce2e26e6e4be573def65b1055dc2d9720186"},
		file{1031424, "8dd32b85f2d273e9047f1d6b59e0b2fd008b1076338107bb547ac28942cdf90b"},
		file{1123958, "8a2c877cc6f09e7dfac7a9066e33ee5ae68de530b3b994f6ee9125cff6e34d3f"}),
	family(Entry{Name: "pphumanseg", About: "people from their background", Verb: "segment", Licence: "Apache-2.0",
		Path: "models/human_segmentation_pphumanseg/human_segmentation_pphumanseg_2023mar",
		Card: card.Card{Labels: []string{"background", "person"},
			Input: card.Input{Order: "rgb", Fit: "stretch", Mean: []float64{127.5}, Std: []float64{127.5}}}},
		file{6163938, "552d8a984054e59b5d773d24b9b12022b22046ceb2bbc4c9aaeaceb36a9ddf24"},
		file{1607872, "510775a9e23c1a53c34013a2fa3ac1906bfd7b789d55c07e6b49f30bb669007d"},
		file{1734724, "1da023e95e3adbeef16ac2862767b53b86a743ff26a34692e0833d7e088f0231"}),
	family(Entry{Name: "mobilenet-v1", About: "1000 classes of ImageNet", Verb: "classify", Licence: "Apache-2.0",
		Path: "models/image_classification_mobilenet/image_classification_mobilenetv1_2022apr", Card: imageNet},
		file{16890136, "cf4c563b54e7144d7c2803ee22a6471e68ae87377554724d501624f602395bea"},
		file{4321622, "ef32077ef2f8f37ddafeeb1d29a0662e7a794d61190552730769a96b7d58e6df"},
		file{4599388, "4437385b4908011f6e3019ae253031272c19522ae1cbdff8374bceffe262a5ee"}),
	family(Entry{Name: "mobilenet-v2", About: "1000 classes of ImageNet", Verb: "classify", Licence: "Apache-2.0",
		Path: "models/image_classification_mobilenet/image_classification_mobilenetv2_2022apr", Card: imageNet},
		file{13964571, "c0c3f76d93fa3fd6580652a45618618a220fced18babf65774ed169de0432ad5"},
		file{3655033, "cc028fe6cae7bc11a4ff53cfc9b79c920e8be65ce33a904ec3e2a8f66d77f95f"},
		file{3872948, "3fe457eda49d71b664918ae87349bdb3e3815a56bb82cdb7f477bc83597f4313"}),
	family(Entry{Name: "mediapipe-hand", About: "21 points of a hand, as numbers", Verb: "infer", Licence: "Apache-2.0",
		Path: "models/handpose_estimation_mediapipe/handpose_estimation_mediapipe_2023feb"},
		file{4099621, "db0898ae717b76b075d9bf563af315b29562e11f8df5027a1ef07b02bef6d81c"},
		file{1167628, "e97bc1fb83b641954d33424c82b6ade719d0f73250bdb91710ecfd5f7b47e321"},
		file{1222348, "d7e63ed33e39c8b532a04a5466ac68c8680981637df288bcf93286bec08befbd"}),
	family(Entry{Name: "mediapipe-person", About: "people with four points, as numbers", Verb: "infer", Licence: "Apache-2.0",
		Path: "models/person_detection_mediapipe/person_detection_mediapipe_2023mar"},
		file{11990159, "47fd5599d6fa17608f03e0eb0ae230baa6e597d7e8a2c8199fe00abea55a701f"},
		file{},
		file{3482053, "c5ed8c00c028b98e5d2c55b920a6e975af6c4cd538cfeea7c054f4fbbd8b9075"}),
	family(Entry{Name: "mediapipe-pose", About: "33 points of a body, as numbers", Verb: "infer", Licence: "Apache-2.0",
		Path: "models/pose_estimation_mediapipe/pose_estimation_mediapipe_2023mar"},
		file{5557238, "9d89c599319a18fb7d2e28451a883476164543182bafca5f09eb2cf767ed2f3f"},
		file{},
		file{1694896, "1848ea80f657f4620e0de160594f598ed8107c9e7785d0be74f65cf15aa6deb1"}),
)

// imageNet is the mean and deviation of ImageNet's pictures.
var imageNet = card.Card{Input: card.Input{Order: "rgb", Mean: []float64{123.675, 116.28, 103.53}, Std: []float64{58.395, 57.12, 57.375}}}

type file struct {
	bytes  int64
	sha256 string
}

// family returns the entries of one network: with weights of 32 bits, of 8 bits, and of 8 bits with a scale for each block of them. A file
// without bytes does not exist. e.Path is that of the first without its ending.
func family(e Entry, files ...file) []Entry {
	var list []Entry
	for i, f := range files {
		if f.bytes == 0 {
			continue
		}
		one := e
		one.Name += []string{"", "-int8", "-int8bq"}[i]
		one.Path += []string{"", "_int8", "_int8bq"}[i] + ".onnx"
		one.Bytes, one.SHA256 = f.bytes, f.sha256
		list = append(list, one)
	}
	return list
}
