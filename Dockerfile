FROM scratch
COPY f.txt /
