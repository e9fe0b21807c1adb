package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ticks is a timer of the kernel. Go's own sleep is up to a millisecond late, which would be told as
// the broker's latency.
type ticks struct{ timer *os.File }

func newTicks(interval time.Duration) (*ticks, error) {
	number, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	every := unix.NsecToTimespec(int64(interval))
	times := unix.ItimerSpec{Interval: every, Value: every}
	if err := unix.TimerfdSettime(number, 0, &times, nil); err != nil {
		return nil, err
	}
	return &ticks{os.NewFile(uintptr(number), "timer")}, nil
}

// wait returns at the next tick, or at once where one has passed.
func (t *ticks) wait() error {
	var count [8]byte
	_, err := t.timer.Read(count[:])
	return err
}
