package syntax

// SetPassword is SET PASSWORD [FOR user] = PASSWORD('text'). User is "" for
// the current one.
type SetPassword struct {
	Pos
	User     string
	Host     string
	Password StringLit
}

// setPassword reads what follows SET PASSWORD.
func (p *parser) setPassword(start Pos) Statement {
	s := &SetPassword{Pos: start}
	if p.accept("FOR") {
		s.User = p.identOrString("user name").Name
		if t := p.tok(); t.Kind == UserVar {
			s.Host = t.Value()
			p.next()
		}
	}
	p.expect("=")
	p.expect("PASSWORD", "(")
	s.Password = p.str()
	p.expect(")")
	return s
}

func (s *SetPassword) String() string {
	user := ""
	if s.User != "" {
		user = "FOR " + Quote(s.User)
		if s.Host != "" {
			user += "@" + Quote(s.Host)
		}
	}
	return words("SET PASSWORD", user, "= PASSWORD("+s.Password.String()+")")
}
