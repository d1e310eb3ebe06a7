"""How many model slots a load needs: a simulation of arrivals, slots, kept answers and the queue."""
