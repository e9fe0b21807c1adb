package main

import (
	"encoding/binary"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

type throughput struct {
	Published float64 `json:"published_per_second"`
	Worked    float64 `json:"worked_per_second"`
	Records   int     `json:"records"`
}

// flatOut publishes all records and waits for their confirmations, then has all worked off.
func flatOut(broker Broker, workers, records, size int) throughput {
	began := time.Now()
	publish(broker, records, func(int) []byte { return make([]byte, size) })
	published := time.Since(began)
	var left sync.WaitGroup
	left.Add(records)
	began = time.Now()
	for range workers {
		check(broker.Work(func(_ []byte, ack func() error) {
			check(ack())
			left.Done()
		}))
	}
	left.Wait()
	check(broker.Settled())
	worked := time.Since(began)
	perSecond := func(took time.Duration) float64 { return float64(records) / took.Seconds() }
	return throughput{perSecond(published), perSecond(worked), records}
}

type latency struct {
	Records int   `json:"records"`
	P50     int64 `json:"p50_us"`
	P99     int64 `json:"p99_us"`
	P999    int64 `json:"p999_us"`
	Late    int64 `json:"late_send_p99_us"`
}

// pace is how many records a second, how many before it is measured, and how many then.
type pace struct{ rate, warmUp, measured int }

// due is when a record is to be published, from the beginning on.
func (p pace) due(number int) time.Duration {
	return time.Duration(number) * time.Second / time.Duration(p.rate)
}

// atRate publishes each record when it is due, whatever became of those before.
func atRate(broker Broker, workers int, pace pace, size int) latency {
	records := pace.warmUp + pace.measured
	var left sync.WaitGroup
	left.Add(records)
	took := make([]int64, records)
	began := time.Now()
	var offset atomic.Int64
	since := func() time.Duration { return time.Since(began) - time.Duration(offset.Load()) }
	for range workers {
		check(broker.Work(func(record []byte, ack func() error) {
			number := binary.LittleEndian.Uint64(record)
			took[number] = int64(since() - pace.due(int(number)))
			check(ack())
			left.Done()
		}))
	}
	// Whatever the workers need to begin is over when the first record is due.
	time.Sleep(500 * time.Millisecond)
	timer, err := newTicks(time.Second / time.Duration(pace.rate))
	check(err)
	offset.Store(int64(time.Since(began)))
	late := make([]int64, records)
	publish(broker, records, func(number int) []byte {
		for pace.due(number) > since() {
			check(timer.wait())
		}
		late[number] = int64(since() - pace.due(number))
		record := make([]byte, size)
		binary.LittleEndian.PutUint64(record, uint64(number))
		return record
	})
	left.Wait()
	check(broker.Settled())
	took, late = sorted(took[pace.warmUp:]), sorted(late[pace.warmUp:])
	return latency{records, at(took, 0.5), at(took, 0.99), at(took, 0.999), at(late, 0.99)}
}

func sorted(all []int64) []int64 {
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	return all
}

// at is what a share of all took at most, in microseconds.
func at(sorted []int64, share float64) int64 {
	return sorted[int(share*float64(len(sorted)-1))] / 1000
}

// publish sends all records, inFlight at a time, and returns when all are confirmed.
func publish(broker Broker, records int, next func(number int) []byte) {
	places := make(chan struct{}, inFlight)
	for number := range records {
		record := next(number)
		places <- struct{}{}
		broker.Publish(record, func(err error) {
			check(err)
			<-places
		})
	}
	for range inFlight {
		places <- struct{}{}
	}
}
