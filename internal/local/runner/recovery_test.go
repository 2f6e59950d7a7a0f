package runner_test

// childVariable makes this test binary a platform of its own.
const childVariable = "RUNNER_TEST_CHILD"

func child() int { return 0 }
