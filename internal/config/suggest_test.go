package config

import "testing"

func TestWarningsNameRegionsThatNobodyKnows(t *testing.T) {
	const file = `registries:
  - region: us-esat-1
  - {account: "111122223333", regions: [eu-west-1, eu-north-2, us-esat-1]}
  - host: 111122223333.dkr.ecr.mars-beyond-1.amazonaws.com
  - public: true
`
	c, err := parse("c.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	const want = `c.yaml:2: region "us-esat-1" is not one that this version knows; did you mean "us-east-1"?
c.yaml:3: region "eu-north-2" is not one that this version knows; did you mean "eu-north-1"?
c.yaml:4: region "mars-beyond-1" is not one that this version knows; see that it is spelled as AWS has it`
	if got := c.Warnings().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
