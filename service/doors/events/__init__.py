"""What a deployed model was asked and said, told by whoever logs it (CloudEvents, as KServe's agent
sends them): joined, and where it is an alarm, explained."""
