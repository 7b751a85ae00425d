import os

# read when OpenMP starts, with torch: a thread that waits for another sleeps. Spinning, it would take the core from the page's server,
# and two programs with two threads each on two cores would slow each other down several times
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
