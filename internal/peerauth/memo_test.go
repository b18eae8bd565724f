package peerauth

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/osuser"
)

// oracle answers a memo's questions as the test says.
type oracle struct {
	mu    sync.Mutex
	asked int
	say   func(ctx context.Context) (uint32, error)
}

func (o *oracle) ask(ctx context.Context, _ string) (uint32, error) {
	o.mu.Lock()
	o.asked++
	say := o.say
	o.mu.Unlock()
	return say(ctx)
}

func (o *oracle) will(say func(context.Context) (uint32, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.say = say
}

func always(id uint32, err error) func(context.Context) (uint32, error) {
	return func(context.Context) (uint32, error) { return id, err }
}

func hang(ctx context.Context) (uint32, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func wantAnswer(t *testing.T, m *memo[string, uint32], key string, want uint32, known bool) {
	t.Helper()
	if got, ok := m.get(t.Context(), key); got != want || ok != known {
		t.Errorf("%s is %d, %v; want %d, %v", key, got, ok, want, known)
	}
}

func TestAnAnswerIsKeptForAWhileAndThenAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{say: always(0, osuser.ErrUnknown)}
		m := newMemo(o.ask)
		wantAnswer(t, m, "jane", 0, false)
		o.will(always(1001, nil)) // she is added
		wantAnswer(t, m, "jane", 0, false)
		if o.asked != 1 {
			t.Errorf("asked %d times within the answer's life", o.asked)
		}
		time.Sleep(answerLife)
		wantAnswer(t, m, "jane", 1001, true)
		o.will(always(0, osuser.ErrUnknown)) // and removed
		time.Sleep(answerLife)
		wantAnswer(t, m, "jane", 0, false)
	})
}

func TestAnOldAnswerOutlivesATrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{say: always(1001, nil)}
		m := newMemo(o.ask)
		wantAnswer(t, m, "jane", 1001, true)
		for name, say := range map[string]func(context.Context) (uint32, error){
			"broken": always(0, errors.New("broken")), "hanging": hang,
		} {
			time.Sleep(answerLife)
			asked := o.asked
			o.will(say)
			wantAnswer(t, m, "jane", 1001, true)
			if o.asked != asked+1 {
				t.Errorf("%s: asked %d times", name, o.asked-asked)
			}
		}
	})
}

func TestAnOldAnswerStaysWhileThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{say: always(1001, nil)}
		m := newMemo(o.ask)
		wantAnswer(t, m, "jane", 1001, true)
		time.Sleep(answerLife)
		o.will(always(0, errors.New("broken")))
		wantAnswer(t, m, "joe", 0, false)
		wantAnswer(t, m, "jane", 1001, true)
	})
}

func TestADirectoryThatHangsDelaysOneRequestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{say: hang}
		m := newMemo(o.ask)
		start := time.Now()
		for i := range 2000 {
			wantAnswer(t, m, strconv.Itoa(i), 0, false)
		}
		if took := time.Since(start); took != patience {
			t.Errorf("2000 names took %v", took)
		}
		time.Sleep(answerLife)
		o.will(always(7, nil))
		wantAnswer(t, m, "7", 7, true)
	})
}

// abby is nobody of the files, jenkins is.
func TestADirectoryThatHangsHidesNobodyOfTheFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		services := 0
		m := newMemo(func(ctx context.Context, name string) (uint32, error) {
			if name == "jenkins" {
				return 1002, nil
			}
			if ctx.Err() == nil {
				services++
			}
			return hang(ctx)
		})
		start := time.Now()
		for range 100 {
			wantAnswer(t, m, "abby", 0, false)
			wantAnswer(t, m, "bert", 0, false)
			wantAnswer(t, m, "jenkins", 1002, true)
		}
		if took := time.Since(start); took != patience || services != 1 {
			t.Errorf("it took %v and %d questions to the directory", took, services)
		}
	})
}

func TestNobodyWaitsForTheQuestionOfAnotherWhereItIsHasty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		o := &oracle{say: func(context.Context) (uint32, error) { <-answer; return 1001, nil }}
		m := newMemo(o.ask)
		m.hasty = true
		var wg sync.WaitGroup
		wg.Go(func() { wantAnswer(t, m, "first", 1001, true) })
		synctest.Wait()
		for i := range 1000 {
			wantAnswer(t, m, strconv.Itoa(i), 0, false) // at once, or the bubble would deadlock
		}
		if o.asked != 1 || len(m.answers) != 0 {
			t.Errorf("%d questions, %d remembered", o.asked, len(m.answers))
		}
		close(answer)
		wg.Wait()
		wantAnswer(t, m, "100", 1001, true)
	})
}

func TestNamesForMessagesAreHasty(t *testing.T) {
	if d := NewDirectory(); !d.names.hasty || d.users.hasty || d.groups.hasty {
		t.Error("a rule must wait for an answer, a message must not")
	}
}

// Whoever has an older answer does not wait for a newer one.
func TestAnOldAnswerWillDoWhileAQuestionIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		o := &oracle{say: always(1001, nil)}
		m := newMemo(o.ask)
		wantAnswer(t, m, "jane", 1001, true)
		time.Sleep(answerLife)
		o.will(func(context.Context) (uint32, error) { <-answer; return 1002, nil })
		var wg sync.WaitGroup
		wg.Go(func() { wantAnswer(t, m, "jane", 1002, true) })
		synctest.Wait()
		wantAnswer(t, m, "jane", 1001, true)
		close(answer)
		wg.Wait()
		wantAnswer(t, m, "jane", 1002, true)
	})
}

func TestADirectoryIsAskedAgainHoweverOftenItIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{say: hang}
		m := newMemo(o.ask)
		wantAnswer(t, m, "first", 0, false)
		o.will(func(ctx context.Context) (uint32, error) { return 1001, ctx.Err() }) // it is back
		for i := range answerLife / time.Second {
			wantAnswer(t, m, i.String(), 0, false)
			time.Sleep(time.Second)
		}
		wantAnswer(t, m, "last", 1001, true)
	})
}

func TestOneQuestionServesAllWhoWantToKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		o := &oracle{say: func(ctx context.Context) (uint32, error) {
			select {
			case <-answer:
				return 1001, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}}
		m := newMemo(o.ask)
		var wg sync.WaitGroup
		ctx, leave := context.WithCancel(t.Context())
		wg.Go(func() { m.get(ctx, "jane") })
		synctest.Wait()
		for range 50 {
			wg.Go(func() { wantAnswer(t, m, "jane", 1001, true) })
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, ok := m.get(gone, "jane"); ok {
			t.Error("there is an answer before there is one")
		}
		synctest.Wait()
		leave() // the one who asked goes away; the others still get the answer
		synctest.Wait()
		close(answer)
		wg.Wait()
		if o.asked != 1 {
			t.Errorf("asked %d times", o.asked)
		}
	})
}

func TestTheMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{say: always(1, nil)}
		m := newMemo(o.ask)
		for i := range maxAnswers {
			wantAnswer(t, m, strconv.Itoa(i), 1, true)
		}
		wantAnswer(t, m, "one more", 0, false)
		if len(m.answers) != maxAnswers {
			t.Errorf("%d answers are kept", len(m.answers))
		}
		time.Sleep(answerLife)
		wantAnswer(t, m, "one more", 1, true)
		if len(m.answers) != 1 {
			t.Errorf("%d answers are kept", len(m.answers))
		}
	})
}
