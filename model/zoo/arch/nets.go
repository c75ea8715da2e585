package arch

import (
	"maps"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
)

// Nets are the networks that a recipe can name. Each function draws new weights from a seed.
var Nets = map[string]func(seed uint64) *model.Graph{
	"alexnet":           AlexNet,
	"digits_convnet":    DigitsConvNet,
	"digits_convnet_8":  DigitsConvNet8,
	"digits_perceptron": DigitsPerceptron,
	"digits_relu":       DigitsReLU,
	"digits_sigmoid":    DigitsSigmoid,
	"face_detector":     FaceDetector,
	"face_embed":        FaceEmbed,
	"face_landmarks":    FaceLandmarks,
	"face_local":        FaceLocal,
	"hog_svm":           HOGSVM,
	"mobilenet_v2":      MobileNetV2,
	"mobilenet_v2_head": MobileNetV2Head,
	"pedestrian":        PedestrianDetector,
	"pedestrian_window": PedestrianWindow,
	"resnet18":          ResNet18,
	"scene":             SceneParser,
	"scene_multiscale":  SceneMultiscale,
}

// Names lists the networks, sorted.
func Names() []string { return slices.Sorted(maps.Keys(Nets)) }

// digits begins a network for pictures of 28x28 pixels, values 0 to 1.
func digits(name string, seed uint64) (*Builder, *model.Value) {
	b := NewBuilder(name, seed)
	return b, b.Input("image", 1, 28, 28)
}

// DigitsPerceptron is one layer of ten linear neurons (Rosenblatt: The perceptron, 1958, with a softmax in place of the step).
func DigitsPerceptron(seed uint64) *model.Graph {
	b, x := digits("digits_perceptron", seed)
	b.Gain(1)
	b.Output("logits", b.Dense(x, 10))
	return b.Graph
}

// DigitsSigmoid has two hidden layers of sigmoid neurons and sigmoid outputs, one per digit, for a Euclidean loss (Rumelhart, Hinton, Williams 1986).
func DigitsSigmoid(seed uint64) *model.Graph {
	b, x := digits("digits_sigmoid", seed)
	b.Gain(4)
	x = b.Sigmoid(b.Dense(x, 300))
	x = b.Sigmoid(b.Dense(x, 100))
	b.Output("scores", b.Sigmoid(b.Dense(x, 10)))
	return b.Graph
}

// DigitsReLU is the same with rectified linear neurons and logits.
func DigitsReLU(seed uint64) *model.Graph {
	b, x := digits("digits_relu", seed)
	x = b.ReLU(b.Dense(x, 300))
	x = b.ReLU(b.Dense(x, 100))
	b.Gain(1)
	b.Output("logits", b.Dense(x, 10))
	return b.Graph
}

// DigitsConvNet is the typical ConvNet: conv – ReLU – pool – LCN, twice, and two fully connected layers (Jarrett, Kavukcuoglu, Ranzato,
// LeCun: What is the best multi-stage architecture for object recognition?, ICCV 2009; LeCun et al. 1998).
func DigitsConvNet(seed uint64) *model.Graph { return digitsConvNet("digits_convnet", 10, seed) }

// DigitsConvNet8 is the same for the digits 0 to 7.
func DigitsConvNet8(seed uint64) *model.Graph { return digitsConvNet("digits_convnet_8", 8, seed) }

func digitsConvNet(name string, classes int, seed uint64) *model.Graph {
	b, x := digits(name, seed)
	for _, out := range []int{32, 64} {
		x = b.ReLU(b.Conv(x, ConvSpec{Out: out, K: 5}))
		x = b.MaxPool(x, 2, 2, 0)
		x = b.LCN(x, 5, 1.25, 0.1)
	}
	x = b.Dropout(b.ReLU(b.Dense(x, 128)), 0.5)
	b.Gain(1)
	b.Output("logits", b.Dense(x, classes))
	return b.Graph
}

// AlexNet has 61 million parameters, local response normalisation and grouped convolutions (Krizhevsky, Sutskever, Hinton: ImageNet
// classification with deep convolutional neural networks, NIPS 2012).
func AlexNet(seed uint64) *model.Graph {
	b := NewBuilder("alexnet", seed)
	x := b.Input("image", 3, 227, 227)
	x = b.ReLU(b.Conv(x, ConvSpec{Out: 96, K: 11, Stride: 4, Valid: true}))
	x = b.MaxPool(b.LRN(x), 3, 2, 0)
	x = b.ReLU(b.Conv(x, ConvSpec{Out: 256, K: 5, Groups: 2}))
	x = b.MaxPool(b.LRN(x), 3, 2, 0)
	x = b.ReLU(b.Conv(x, ConvSpec{Out: 384, K: 3}))
	x = b.ReLU(b.Conv(x, ConvSpec{Out: 384, K: 3, Groups: 2}))
	x = b.ReLU(b.Conv(x, ConvSpec{Out: 256, K: 3, Groups: 2}))
	x = b.MaxPool(x, 3, 2, 0)
	for range 2 {
		x = b.Dropout(b.ReLU(b.Dense(x, 4096)), 0.5)
	}
	b.Gain(1)
	b.Output("logits", b.Dense(x, 1000))
	return b.Graph
}

// ResNet18 is He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016, table 1.
func ResNet18(seed uint64) *model.Graph {
	b := NewBuilder("resnet18", seed)
	x := b.Input("image", 3, 224, 224)
	x = b.MaxPool(b.ConvBN(x, ConvSpec{Out: 64, K: 7, Stride: 2}), 3, 2, 1)
	for stage, out := range []int{64, 128, 256, 512} {
		for block := range 2 {
			stride := 1
			if stage > 0 && block == 0 {
				stride = 2
			}
			short := x
			if stride != 1 {
				short = b.BatchNorm(b.Conv(x, ConvSpec{Out: out, K: 1, Stride: stride, NoBias: true}))
			}
			y := b.ConvBN(x, ConvSpec{Out: out, K: 3, Stride: stride})
			y = b.BatchNorm(b.Conv(y, ConvSpec{Out: out, K: 3, NoBias: true}))
			x = b.ReLU(b.Sum(y, short))
		}
	}
	b.Gain(1)
	b.Output("logits", b.Dense(b.GlobalAvg(x), 1000))
	return b.Graph
}

// MobileNetV2 is Sandler et al.: MobileNetV2, inverted residuals and linear bottlenecks, CVPR 2018, table 2.
func MobileNetV2(seed uint64) *model.Graph {
	b := NewBuilder("mobilenet_v2", seed)
	x := b.Input("image", 3, 224, 224)
	x = b.convBN6(x, ConvSpec{Out: 32, K: 3, Stride: 2})
	for _, stage := range []struct{ expand, out, repeat, stride int }{
		{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
	} {
		for i := range stage.repeat {
			stride := 1
			if i == 0 {
				stride = stage.stride
			}
			y, wide := x, stage.expand*b.Channels(x)
			if stage.expand > 1 {
				y = b.convBN6(y, ConvSpec{Out: wide})
			}
			y = b.convBN6(y, ConvSpec{Out: wide, K: 3, Stride: stride, Groups: wide})
			y = b.BatchNorm(b.Conv(y, ConvSpec{Out: stage.out, NoBias: true}))
			if stride == 1 && b.Channels(x) == stage.out {
				y = b.Sum(x, y)
			}
			x = y
		}
	}
	x = b.GlobalAvg(b.convBN6(x, ConvSpec{Out: 1280}))
	b.Gain(1)
	b.Output("logits", b.Dense(x, 1000))
	return b.Graph
}

// MobileNetV2Head is its last layer alone: what is trained where features are cached. Input features [N,1280].
func MobileNetV2Head(seed uint64) *model.Graph {
	b := NewBuilder("mobilenet_v2_head", seed)
	b.Gain(1)
	b.Output("logits", b.Dense(b.Features("features", 1280), 1000))
	return b.Graph
}
