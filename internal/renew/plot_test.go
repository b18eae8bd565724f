package renew

import (
	"bytes"
	"fmt"
	"slices"
)

// curve is a value for each minute, in units of unit.
type curve struct {
	name   string
	values []int
	unit   float64
}

// plot is a drawing of curves over the same time, for docs.
type plot struct {
	title  string
	over   string // unit of the time axis
	minute int    // minutes in one of them
	of     string // unit of the values
	most   float64
	curves []curve
}

// svg draws the plot; colours are told apart by people who see few of them, and each curve has another dash.
func (p plot) svg() []byte {
	const width, height, left, top, right, bottom = 820, 360, 60, 40, 40, 70
	styles := []string{`stroke="#0b6"`, `stroke="#d55" stroke-dasharray="8 3"`, `stroke="#26c" stroke-dasharray="3 3"`, `stroke="#a60" stroke-dasharray="1 4"`}
	most := p.most
	for _, c := range p.curves {
		if p.most == 0 {
			most = max(most, float64(slices.Max(c.values))/c.unit)
		}
	}
	minutes := len(p.curves[0].values)
	x := func(minute int) float64 {
		return left + float64(minute)/float64(minutes)*(width-left-right)
	}
	y := func(value float64) float64 { return top + (1-value/most)*(height-top-bottom) }
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" fill="#333">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="%d" y="22" font-size="15">%s</text>`+"\n", left, p.title)
	for i := range 5 {
		value := most * float64(i) / 4
		label := fmt.Sprintf("%.0f%s", value, p.of)
		if p.most == 1 {
			label = fmt.Sprintf("%.0f %%", 100*value)
		}
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, width-right, y(value), y(value), left-6, y(value)+4, label)
	}
	for i := 0; i <= 6; i++ {
		minute := minutes * i / 6
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%d %s</text>`+"\n", x(minute), height-bottom+18, minute/p.minute, p.over)
	}
	for i, c := range p.curves {
		fmt.Fprintf(&b, `<polyline fill="none" stroke-width="2" %s points="`, styles[i%len(styles)])
		for minute, value := range c.values {
			if minute%max(1, minutes/300) > 0 {
				continue
			}
			fmt.Fprintf(&b, "%.1f,%.1f ", x(minute), y(float64(value)/c.unit))
		}
		at := left + i*185
		fmt.Fprintf(&b, `"/>`+"\n"+`<line x1="%d" x2="%d" y1="%d" y2="%d" stroke-width="2" %s/><text x="%d" y="%d">%s</text>`+"\n",
			at, at+28, height-20, height-20, styles[i%len(styles)], at+34, height-16, c.name)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
