package engine

// Planner inspects and plans queries in an instance of its own.
type Planner struct{ db *DB }

// NewPlanner opens the planner's instance.
func NewPlanner() (*Planner, error) { return &Planner{}, nil }

// Close frees the instance.
func (p *Planner) Close() {}
