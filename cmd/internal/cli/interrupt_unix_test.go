//go:build unix

package cli

import (
	"context"
	"syscall"
	"testing"
)

// TestAnInterruptEndsTheOuterContextFirst interrupts a verb that goes through several inputs, each with a context of its own.
func TestAnInterruptEndsTheOuterContextFirst(t *testing.T) {
	for range 100 {
		verb, stopVerb := Interruptible(t.Context())
		input, stopInput := Interruptible(verb)
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		<-input.Done()
		late := verb.Err() == nil
		stopInput()
		stopVerb()
		if late {
			t.Fatal("the input ended, and the verb would go on to the next")
		}
	}
}

// TestAnInputEndsAlone ends an input without an interrupt.
func TestAnInputEndsAlone(t *testing.T) {
	verb, stopVerb := Interruptible(context.Background())
	defer stopVerb()
	input, stopInput := Interruptible(verb)
	stopInput()
	if input.Err() == nil || verb.Err() != nil {
		t.Errorf("the input's context: %v, the verb's: %v", input.Err(), verb.Err())
	}
}
