package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The report as JUnit's XML, in the form that CI systems read: a suite for each
// group, a testcase for each case.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`

		took time.Duration
	}
	junitCase struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		Time    string       `xml:"time,attr"`
		Skipped *junitNote   `xml:"skipped"`
		Failure *junitDefect `xml:"failure"`
		Error   *junitDefect `xml:"error"`
		Output  string       `xml:"system-out,omitempty"`
	}
	junitNote struct {
		Message string `xml:"message,attr"`
	}
	junitDefect struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as JUnit's XML. What failed is a failure, and so
// is a warning in a strict report; what was inconclusive is an error. Skipped,
// waived and not applicable cases are skipped, with the reason. An interrupted
// run is an error of its own.
func (r Report) WriteJUnit(w io.Writer) error {
	report := junitReport{Name: "conformance of " + r.Issuer}
	suites := map[string]int{}
	for _, result := range r.Results {
		i, ok := suites[result.Group]
		if !ok {
			i = len(report.Suites)
			suites[result.Group] = i
			report.Suites = append(report.Suites, junitSuite{Name: result.Group, Timestamp: timestamp(r.Started)})
		}
		report.Suites[i].add(result.junit(r.failing(result.Outcome)), result.Took)
	}
	if r.Partial {
		suite := junitSuite{Name: "run", Timestamp: timestamp(r.Started)}
		suite.add(junitCase{
			Name: "complete", Class: "conformance.run", Time: seconds(0),
			Error: &junitDefect{r.Summary(), "partial", "the run was interrupted: what the cases left would show is not known"},
		}, 0)
		report.Suites = append(report.Suites, suite)
	}
	for _, suite := range report.Suites {
		report.Tests += suite.Tests
		report.Failures += suite.Failures
		report.Errors += suite.Errors
	}
	text, err := xml.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}

func (s *junitSuite) add(c junitCase, took time.Duration) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	s.took += took
	s.Time = seconds(s.took)
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

func (r Result) junit(failing bool) junitCase {
	c := junitCase{Name: r.ID, Class: "conformance." + r.Group, Time: seconds(r.Took)}
	switch evidence := r.evidence(); {
	case failing:
		c.Failure = &junitDefect{r.Why, string(r.Level), evidence}
	case r.Outcome == Inconclusive:
		c.Error = &junitDefect{r.Why, string(Inconclusive), evidence}
	case r.Outcome == Warn:
		c.Output = "warn: " + evidence
	case r.Waived != nil:
		c.Skipped = &junitNote{fmt.Sprintf("waived until %s: %s (%s: %s)", r.Waived.Expires, r.Waived.Reason, r.Waived.Outcome, r.Why)}
	case r.Outcome != Pass:
		c.Skipped = &junitNote{fmt.Sprintf("%s: %s", r.Outcome, r.Why)}
	}
	return c
}

// evidence is what the text report has below a case, without its indentation.
func (r Result) evidence() string {
	var lines []string
	for _, line := range r.lines() {
		lines = append(lines, line[0]+": "+line[1])
	}
	return strings.Join(lines, "\n")
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
