"""Operations on the container as a whole: what walks over every object in it."""
