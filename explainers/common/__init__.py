"""One change for many: the change of a few levers that clears the most alarms (decision 0120).

``levers``  what may be set in common, to which values, at which cost
``truths``  rules over boxes of rows
``boxes``   which alarms a box of common changes may clear: none is lost
``judge``   which alarms one common change clears: by the problems' own definitions
``search``  branch and bound over boxes of common changes
``confirm`` what is published, alarm by alarm, by the checker and the deployed model
``ask``     the question and its answer
"""
