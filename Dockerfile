# The double in a container: docker build -t segmind-mock . && docker run -p 127.0.0.1:4010:4010 segmind-mock
FROM python:3.13-slim
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir '.[redis]'
USER nobody
EXPOSE 4010
# In Python, since the image has no curl; without the proxies of the environment, which urllib.request would take.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --start-interval=1s CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 4010, timeout=4); c.request('GET', '/_mock/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["segmind-mock", "--host", "0.0.0.0", "--port", "4010"]
