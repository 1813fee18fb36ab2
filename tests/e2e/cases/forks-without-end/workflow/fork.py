import os
import time

told = False
while True:
    try:
        os.fork()
    except OSError:
        if not told:
            print("no more processes", flush=True)
            told = True
        time.sleep(0.1)
