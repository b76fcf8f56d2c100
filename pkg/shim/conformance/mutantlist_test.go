package conformance_test

// mutants are sorted by the file they are in.
var mutants = []mutant{}
